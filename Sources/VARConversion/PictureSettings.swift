import VARCheckpoint
import VARJSON
import VARModels

/// How a checkpoint wants pictures prepared, checked and with every value stated (MODEL 6).
///
/// Versions of transformers keep the settings in `preprocessor_config.json` or, from 5 on, in `processor_config.json`
/// under `image_processor`, which wins as it does there.
struct PictureSettings {
  /// The document for the file.
  let json: JSONValue
  /// What the user should know, a line each.
  private(set) var notes: [String]

  private static let plainName = "preprocessor_config.json"
  private static let nestedName = "processor_config.json"

  private static let knownKeys: Set = [
    "auto_map", "crop_size", "data_format", "default_to_square", "device", "disable_grouping",
    "do_center_crop", "do_convert_rgb", "do_normalize", "do_pad", "do_rescale", "do_resize",
    "feature_extractor_type", "image_mean", "image_processor_type", "image_std",
    "input_data_format", "max_pixels", "merge_size", "min_pixels", "pad_size", "patch_size",
    "processor_class", "resample", "rescale_factor", "return_tensors", "size", "size_divisor",
    "temporal_patch_size",
  ]

  init(_ checkpoint: Checkpoint, vision: VisionConfiguration) throws {
    let plain = try checkpoint.json(ofFile: Self.plainName)
    let processor = try checkpoint.json(ofFile: Self.nestedName)
    guard processor == nil || processor?.objectValue != nil else {
      throw ConversionError(.invalidMetadata, Self.nestedName, "an object is expected")
    }
    guard let nested = processor?["image_processor"], nested != .null else {
      try self.init(plain, of: Self.plainName, vision: vision)
      if plain == nil {
        notes.append("\(Self.plainName): is not there; pictures are prepared as Qwen2-VL does")
      }
      return
    }
    try self.init(nested, of: Self.nestedName, vision: vision)
    if let plain, try PictureSettings(plain, of: Self.plainName, vision: vision).json != json {
      notes.append(
        "\(Self.nestedName): image_processor wins over \(Self.plainName), which says otherwise")
    }
  }

  /// - Parameters:
  ///   - source: the settings; nil where a checkpoint has none, so that the defaults count.
  ///   - file: the name of the file that has them.
  init(
    _ source: JSONValue?, of file: String, vision: VisionConfiguration
  ) throws(ConversionError) {
    let reader = try PictureSettingsReader(source ?? .object(JSONObject()), file: file)
    notes = []
    try reader.checkSteps()
    try reader.agree("patch_size", vision.patchSize)
    try reader.agree("merge_size", vision.spatialMergeSize)
    try reader.agree("temporal_patch_size", vision.temporalPatchSize)
    let bounds = try reader.bounds(notes: &notes)
    json = .object(
      JSONObject([
        ("patch_size", .integer(vision.patchSize)),
        ("merge_size", .integer(vision.spatialMergeSize)),
        ("min_pixels", .integer(bounds.lowerBound)),
        ("max_pixels", .integer(bounds.upperBound)),
        ("image_mean", try reader.colours("image_mean", [0.48145466, 0.4578275, 0.40821073])),
        ("image_std", try reader.colours("image_std", [0.26862954, 0.26130258, 0.27577711])),
        ("resample", .integer(3)),
      ]))
    let unknown = reader.object.members.filter {
      $0.value != .null && !Self.knownKeys.contains($0.key)
    }
    if let note = SourceNotes.unknownKeys(unknown.map(\.key), of: file) { notes.append(note) }
  }
}

/// Reads the settings of one document; a member that is null is absent.
private struct PictureSettingsReader {
  let object: JSONObject
  let file: String

  init(_ value: JSONValue, file: String) throws(ConversionError) {
    guard let object = value.objectValue else {
      throw ConversionError(.invalidMetadata, file, "an object is expected")
    }
    self.object = object
    self.file = file
  }

  private func value(_ key: String) -> JSONValue? { object[key] == .null ? nil : object[key] }

  private func fault(_ detail: String) -> ConversionError {
    ConversionError(.invalidMetadata, file, detail)
  }

  /// Refuses whatever would prepare pictures in another way than the runtime does.
  func checkSteps() throws(ConversionError) {
    let steps = [
      ("do_resize", true), ("do_rescale", true), ("do_normalize", true), ("do_convert_rgb", true),
      ("do_center_crop", false), ("do_pad", false),
    ]
    for (key, expected) in steps {
      if let value = value(key), value != .bool(expected) {
        throw fault("\(key) is \(value.text); only \(expected) is supported")
      }
    }
    if let value = value("rescale_factor") {
      guard let factor = value.doubleValue, abs(factor * 255 - 1) < 1e-6 else {
        throw fault("rescale_factor is \(value.text); only 1/255 is supported")
      }
    }
    // 3 is Pillow's number for bicubic.
    if let value = value("resample"), value.integerValue != 3, value.stringValue != "bicubic" {
      throw fault("resample is \(value.text); only 3 (bicubic) is supported")
    }
    for key in ["image_processor_type", "feature_extractor_type"] {
      guard let value = value(key) else { continue }
      let name = value.stringValue ?? value.text
      guard value.stringValue != nil, name.contains("Qwen2VLImageProcessor") else {
        throw fault("\(key) is \(name); only Qwen2VLImageProcessor and its variants are supported")
      }
    }
  }

  /// Refuses a value that contradicts the configuration.
  func agree(_ key: String, _ expected: Int) throws(ConversionError) {
    guard let value = value(key), value.integerValue != expected else { return }
    throw fault("\(key) is \(value.text), config.json says \(expected)")
  }

  func colours(_ key: String, _ fallback: [Double]) throws(ConversionError) -> JSONValue {
    guard let value = value(key) else { return .array(fallback.map { .number($0) }) }
    let numbers = value.arrayValue?.compactMap(\.doubleValue) ?? []
    guard numbers.count == 3, value.arrayValue?.count == 3,
      key == "image_mean" || numbers.allSatisfy({ $0 > 0 })
    else { throw fault("\(key) must be three numbers") }
    return .array(numbers.map { .number($0) })
  }

  /// Least and largest area after the resize.
  ///
  /// `size` has both, under the name of an edge although they are areas; `min_pixels` and `max_pixels` win over it.
  func bounds(notes: inout [String]) throws(ConversionError) -> ClosedRange<Int> {
    let size = try sizes()
    func bound(
      _ key: String, _ fallback: Int, _ notes: inout [String]
    ) throws(ConversionError) -> Int {
      let stated = try value(key).map { value throws(ConversionError) in
        try pixels(value, key)
      }
      if let stated, let other = size[key], other.count != stated {
        notes.append("\(file): \(key) \(stated) wins over \(other.key) \(other.count)")
      }
      return stated ?? size[key]?.count ?? fallback
    }
    let least = try bound("min_pixels", 56 * 56, &notes)
    let most = try bound("max_pixels", 28 * 28 * 1280, &notes)
    guard least <= most else { throw fault("min_pixels \(least) is above max_pixels \(most)") }
    return least...most
  }

  /// What `size` says, by the name of the bound.
  private func sizes() throws(ConversionError) -> [String: (key: String, count: Int)] {
    guard let value = value("size") else { return [:] }
    guard let members = value.objectValue?.members else {
      throw fault("size is \(value.text); shortest_edge and longest_edge are expected")
    }
    let bounds = [
      "shortest_edge": "min_pixels", "min_pixels": "min_pixels", "longest_edge": "max_pixels",
      "max_pixels": "max_pixels",
    ]
    var found: [String: (key: String, count: Int)] = [:]
    for (name, value) in members where value != .null {
      guard let bound = bounds[name] else {
        throw fault("size has \(name); only shortest_edge and longest_edge are supported")
      }
      let count = try pixels(value, "size.\(name)")
      if let other = found[bound], other.count != count {
        throw fault(
          "size.\(name) is \(count), but \(other.key) is \(other.count); remove the wrong one")
      }
      found[bound] = ("size.\(name)", count)
    }
    return found
  }

  private func pixels(_ value: JSONValue, _ key: String) throws(ConversionError) -> Int {
    guard let count = value.integerValue, (1...1 << 30).contains(count) else {
      throw fault("\(key) is no number of pixels: \(value.text)")
    }
    return count
  }
}
