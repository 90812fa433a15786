import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Conversions that are to go on and find their output there.
@Suite struct FinishedConversionTests {
  private let directory = TemporaryDirectory()
  private let tiny = Fixtures.path("tiny")

  private func options(
    _ recipe: String = "balanced", _ layout: VQ4StorageLayout = .auto, resumes: Bool = true
  ) throws -> ConversionOptions {
    var options = ConversionOptions(
      recipe: try Recipe(builtIn: recipe), layout: layout, threadCount: 2)
    options.keepsProgress = true
    options.resumes = resumes
    return options
  }

  /// Converts; nil where a file is in the way.
  private func convert(
    _ name: String, _ options: ConversionOptions, of source: String? = nil,
    adapters: [CheckpointParts.AdapterSource] = []
  ) throws -> Conversion.Result? {
    let path = directory.file(name)
    let before = try? Fixtures.readFile(path)
    do {
      let checkpoint = try CheckpointParts(adapters: adapters).checkpoint(at: source ?? tiny)
      return try Conversion(of: checkpoint, options: options).write(to: path)
    } catch let error as VQ4Error where error.code == .outputExists {
      #expect(try Fixtures.readFile(path) == before)
      #expect(!directory.names().contains(name + ".partial"))
      return nil
    }
  }

  @Test func theSameConversionIsDone() throws {
    let first = try convert("m.vq4", options())
    let bytes = try Fixtures.readFile(directory.file("m.vq4"))
    var status = stat()
    stat(directory.file("m.vq4"), &status)
    let second = try convert("m.vq4", options())
    #expect(first?.wasFinished == false && second?.wasFinished == true)
    #expect(second?.contentHash == first?.contentHash)
    #expect(second?.fileByteCount == first?.fileByteCount)
    var after = stat()
    stat(directory.file("m.vq4"), &after)
    #expect(status.st_ino == after.st_ino && status.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
    #expect(try Fixtures.readFile(directory.file("m.vq4")) == bytes)
    #expect(directory.names() == ["m.vq4"])
    // Unasked, the file is in the way; memory and threads do not matter.
    #expect(try convert("m.vq4", options(resumes: false)) == nil)
    var other = try options()
    other.threadCount = 5
    other.memoryByteCount = 400 << 20
    #expect(try convert("m.vq4", other)?.wasFinished == true)
    other.overwrite = true
    #expect(try convert("m.vq4", other)?.wasFinished == false)
  }

  /// A kill between the file's last name and the end of the program leaves the journal.
  @Test func aJournalThatWasLeftGoes() throws {
    _ = try convert("m.vq4", options())
    directory.write("m.vq4.journal", Array("VQ4".utf8))
    #expect(try convert("m.vq4", options())?.wasFinished == true)
    #expect(directory.names() == ["m.vq4"])
  }

  /// The layout is not named in a file; two layouts that give the same bytes are the same.
  @Test(arguments: ["f16", "balanced", "int4"]) func layoutsAreTold(recipe: String) throws {
    var files: [VQ4StorageLayout: [UInt8]] = [:]
    for layout in VQ4StorageLayout.allCases {
      _ = try convert("\(layout).vq4", options(recipe, layout))
      files[layout] = try Fixtures.readFile(directory.file("\(layout).vq4"))
    }
    #expect(Set(files.values).count > 1)
    for made in VQ4StorageLayout.allCases {
      for asked in VQ4StorageLayout.allCases {
        let result = try convert("\(made).vq4", options(recipe, asked))
        #expect((result != nil) == (files[made] == files[asked]), "\(made) for \(asked)")
      }
    }
  }

  @Test func anotherConversionIsNotDone() throws {
    directory.makeDirectory("source")
    let source = directory.file("source")
    var small = SmallCheckpoint()
    small.write(to: source)
    var adapter = AdapterFolder()
    adapter.addFactors("lm_head", [320, 64])
    adapter.write("sft", to: directory)
    let adapters = [CheckpointParts.AdapterSource(path: directory.file("sft"), scale: 1)]
    let options = try options()
    let plain = try convert("plain.vq4", options, of: source)
    let merged = try convert("merged.vq4", options, of: source, adapters: adapters)
    #expect(plain?.contentHash != merged?.contentHash)
    #expect(try convert("plain.vq4", self.options("int8"), of: source) == nil)
    #expect(try convert("plain.vq4", options) == nil)
    #expect(try convert("plain.vq4", options, of: source, adapters: adapters) == nil)
    #expect(try convert("merged.vq4", options, of: source) == nil)
    let half = [CheckpointParts.AdapterSource(path: directory.file("sft"), scale: 0.5)]
    #expect(try convert("merged.vq4", options, of: source, adapters: half) == nil)
    #expect(
      try convert("merged.vq4", options, of: source, adapters: adapters)?.wasFinished == true)
    // The same size and header, one other weight, the last that is read.
    let last = "vargpt_gen.text_proj_for_ca.0.weight"
    small[last].values[0] += 1
    small.write(to: source)
    #expect(try convert("plain.vq4", options, of: source) == nil)
    small[last] = SmallCheckpoint()[last]
    small.write(to: source)
    #expect(try convert("plain.vq4", options, of: source)?.wasFinished == true)
    directory.write("source/LICENSE", "another attachment")
    #expect(try convert("plain.vq4", options, of: source) == nil)
  }

  @Test func whatIsNoModelIsInTheWay() throws {
    directory.write("m.vq4", "no model")
    #expect(try convert("m.vq4", options()) == nil)
    // An empty file is a place for one.
    directory.write("m.vq4", [])
    #expect(try convert("m.vq4", options())?.wasFinished == false)
  }
}
