import Testing
import VARCheckpoint
import VARConversion
import VARJSON
import VARQuantization
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How the settings of pictures are found and read.
@Suite struct PictureSettingsTests {
  private let folder = CheckpointFolder()

  private func conversion(_ files: [(String, String)]) throws -> Conversion {
    SmallCheckpoint().write(to: folder.path)
    for name in [Self.plain, Self.nested] where folder.directory.names().contains(name) {
      unlink(folder.directory.file(name))
    }
    for (name, text) in files { folder.directory.write(name, text) }
    return try Conversion(
      of: Checkpoint(path: folder.path),
      options: ConversionOptions(
        recipe: try Recipe(builtIn: "int4"), threadCount: 1, overwrite: true))
  }

  /// The bounds that the file gets, and what the user is told.
  private func bounds(_ files: (String, String)...) throws -> ([Int?], [String]) {
    let conversion = try conversion(files)
    let path = folder.directory.file("m.vq4")
    _ = try conversion.write(to: path)
    let settings = try VQ4File(path: path).jsonAttachment("image_preprocessing")
    return (["min_pixels", "max_pixels"].map { settings[$0]?.integerValue }, conversion.notes)
  }

  private static let plain = "preprocessor_config.json"
  private static let nested = "processor_config.json"

  @Test(arguments: [
    (#"{"size":{"shortest_edge":784,"longest_edge":12544}}"#, 784, 12544),
    (
      #"{"size":{"longest_edge":12544,"shortest_edge":784},"min_pixels":null,"max_pixels":null}"#,
      784, 12544
    ),
    (#"{"size":{"min_pixels":784,"max_pixels":12544}}"#, 784, 12544),
    (#"{"size":null,"min_pixels":784,"max_pixels":12544,"image_mean":null}"#, 784, 12544),
    (#"{"size":{"max_pixels":12544}}"#, 3136, 12544),
    (#"{"min_pixels":784}"#, 784, 1_003_520), ("{}", 3136, 1_003_520),
  ])
  func boundsAreAreasUnderEveryName(text: String, least: Int, most: Int) throws {
    let (bounds, notes) = try bounds((Self.plain, text))
    #expect(bounds == [least, most])
    #expect(notes == [])
  }

  @Test func pixelsWinOverSizeAndThatIsSaid() throws {
    let text = """
      {"size":{"shortest_edge":784,"longest_edge":12544},"min_pixels":3136,"max_pixels":15680}
      """
    let (bounds, notes) = try bounds((Self.plain, text))
    #expect(bounds == [3136, 15680])
    #expect(
      notes == [
        "preprocessor_config.json: min_pixels 3136 wins over size.shortest_edge 784",
        "preprocessor_config.json: max_pixels 15680 wins over size.longest_edge 12544",
      ])
  }

  @Test func settingsOfTheProcessorCount() throws {
    let size = #"{"size":{"shortest_edge":784,"longest_edge":12544}}"#
    let (alone, notes) = try bounds((Self.nested, #"{"image_processor":\#(size)}"#))
    #expect(alone == [784, 12544] && notes == [])
    let (both, note) = try bounds(
      (Self.nested, #"{"image_processor":\#(size)}"#), (Self.plain, #"{"max_pixels":15680}"#))
    #expect(both == [784, 12544])
    #expect(
      note == [
        "processor_config.json: image_processor wins over preprocessor_config.json, which says "
          + "otherwise"
      ])
    let (older, _) = try bounds((Self.nested, #"{"processor_class":"X"}"#), (Self.plain, size))
    #expect(older == [784, 12544])
  }

  @Test(arguments: [
    ("do_rescale", "false"), ("do_normalize", "false"), ("do_resize", "false"),
    ("do_center_crop", "true"), ("do_pad", "true"), ("rescale_factor", "1.0"),
    ("rescale_factor", "0.00784313725490196"), ("resample", "2"), ("size", "448"),
    ("image_processor_type", "\"CLIPImageProcessor\""), ("patch_size", "16"),
    ("image_processor_type", "7"), ("feature_extractor_type", "[]"),
  ])
  func otherPreparationIsRefusedByName(key: String, value: String) throws {
    for (file, text) in [
      (Self.plain, "{\"\(key)\":\(value)}"),
      (Self.nested, "{\"image_processor\":{\"\(key)\":\(value)}}"),
    ] {
      #expect {
        try conversion([(file, text)])
      } throws: {
        let error = $0 as? ConversionError
        return error?.code == .invalidMetadata && error?.subject == file
          && error?.detail.contains(key) == true
      }
    }
  }

  @Test func aProcessorThatIsNoObjectIsRefused() throws {
    #expect {
      try conversion([(Self.nested, "[]")])
    } throws: { ($0 as? ConversionError)?.subject == Self.nested }
  }

  @Test(arguments: [
    (#"{"size":{"height":448,"width":448}}"#, "height"),
    (#"{"size":{"shortest_edge":784,"min_pixels":3136}}"#, "size.shortest_edge"),
    (#"{"size":{"longest_edge":0}}"#, "size.longest_edge"),
  ])
  func impossibleSizesAreNamed(text: String, part: String) throws {
    #expect {
      try conversion([(Self.plain, text)])
    } throws: { ($0 as? ConversionError)?.detail.contains(part) == true }
  }

  @Test func whatVersionsWriteWithoutMeaningIsAccepted() throws {
    let text = """
      {"do_rescale":true,"do_normalize":null,"rescale_factor":0.00392156862745098,"crop_size":null,
       "do_center_crop":null,"do_pad":false,"resample":3,"data_format":"channels_first",
       "image_processor_type":"Qwen2VLImageProcessorFast","device":null}
      """
    #expect(try conversion([(Self.plain, text)]).notes == [])
  }
}
