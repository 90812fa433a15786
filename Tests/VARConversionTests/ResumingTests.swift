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

/// Conversions that are stopped and taken up again, inside one process, at chosen moments.
@Suite struct ResumingTests {
  private let tiny = Fixtures.path("tiny")

  private func options(
    _ recipe: String = "balanced", _ layout: VQ4StorageLayout = .compact, threads: Int = 2,
    resumes: Bool = true, journalItemCount: Int = 20
  ) throws -> ConversionOptions {
    var options = ConversionOptions(
      recipe: try Recipe(builtIn: recipe), layout: layout, threadCount: threads)
    options.keepsProgress = true
    options.resumes = resumes
    options.journalItemCount = journalItemCount
    return options
  }

  private func conversion(
    _ options: ConversionOptions, of source: String? = nil
  ) throws -> Conversion {
    try Conversion(of: try Checkpoint(path: source ?? tiny), options: options)
  }

  /// Runs a conversion that is stopped after `count` chunks and vectors; nil where it ended before.
  private func stop(
    _ conversion: Conversion, after count: Int, _ path: String
  ) throws -> Conversion.Result? {
    var calls = 0
    do {
      return try conversion.write(
        to: path,
        isCancelled: {
          calls += 1
          return calls > count
        })
    } catch let error as ConversionError where error.code == .interrupted {
      return nil
    }
  }

  /// The bytes of the conversion that is never stopped.
  private func reference(_ options: ConversionOptions, of source: String? = nil) throws -> [UInt8] {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    var options = options
    options.keepsProgress = false
    _ = try conversion(options, of: source).write(to: path)
    return try Fixtures.readFile(path)
  }

  @Test(arguments: [
    ("balanced", VQ4StorageLayout.compact), ("f16", .compact), ("f32", .map),
  ])
  func aStopAnywhereLeadsToTheSameBytes(recipe: String, layout: VQ4StorageLayout) throws {
    let expected = try reference(options(recipe, layout))
    for count in [3, 40, 111, 250, 390, 440, 470] {
      let directory = TemporaryDirectory()
      let path = directory.file("m.vq4")
      let first = try options(recipe, layout, journalItemCount: count < 20 ? 1 : 20)
      #expect(try stop(conversion(first), after: count, path) == nil)
      #expect(directory.names() == ["m.vq4.journal", "m.vq4.partial"])
      let second = try conversion(options(recipe, layout, threads: 1))
      let share = try #require(second.stoppedShare(of: path))
      #expect(share > 0 && share < 1 || count > 420)
      let result = try second.write(to: path)
      #expect(result.resumedElementCount > 0)
      #expect(Double(result.resumedElementCount) / Double(second.plan.elementCount) == share)
      #expect(try Fixtures.readFile(path) == expected)
      #expect(directory.names() == ["m.vq4"])
    }
  }

  @Test func manyStopsLeadToTheSameBytesAndErrors() throws {
    let options = try options()
    let expected = try reference(options)
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    var (stops, resumed) = (0, 0)
    var result: Conversion.Result?
    while result == nil {
      result = try stop(conversion(options), after: 60, path)
      stops += 1
      try #require(stops < 100, "a run that goes on gets further than the one before")
      resumed = result?.resumedElementCount ?? 0
    }
    #expect(stops > 4 && resumed > 0)
    #expect(try Fixtures.readFile(path) == expected)
    let whole = TemporaryDirectory()
    let errors = try conversion(options).write(to: whole.file("m.vq4")).errors
    #expect(result?.errors.map(\.name) == errors.map(\.name))
    #expect(result?.errors.map(\.error) == errors.map(\.error))
  }

  /// Weights of many chunks, stopped in the middle of them; the hash of the source goes on in the middle of a piece.
  @Test(arguments: ["int4", "f16"])
  func aStopInsideATensorLeadsToTheSameBytes(recipe: String) throws {
    let source = TemporaryDirectory()
    try MidSizeCheckpoint.write(to: source.path)
    let options = try options(recipe, .compact, journalItemCount: 3)
    let expected = try reference(options, of: source.path)
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    var shares: [Double] = []
    for count in [6, 3, 40, 3] {
      #expect(try stop(conversion(options, of: source.path), after: count, path) == nil)
      shares.append(
        try #require(conversion(options, of: source.path).stoppedShare(of: path)))
    }
    #expect(shares == shares.sorted())
    // Part of the embedding, a seventh of all elements, which is read early.
    #expect(shares[0] < 0.1)
    _ = try conversion(options, of: source.path).write(to: path)
    #expect(try Fixtures.readFile(path) == expected)
  }

  @Test func aDamagedOrCutJournalLosesWorkAndNothingElse() throws {
    let expected = try reference(options())
    let stopped = TemporaryDirectory()
    #expect(try stop(conversion(options()), after: 300, stopped.file("m.vq4")) == nil)
    let journal = try Fixtures.readFile(stopped.file("m.vq4.journal"))
    let partial = try Fixtures.readFile(stopped.file("m.vq4.partial"))
    var faulty: [[UInt8]] = [0, 1, 7, 8, 20, 24, 500].map { Array(journal.prefix($0)) }
    faulty += [2, 3, 4, 5].map { Array(journal.prefix(journal.count * $0 / 6 + $0)) }
    faulty.append(journal.dropLast())
    faulty.append(journal + [0, 0, 0, 40, 2, 0, 0, 0])
    for place in [9, 60, journal.count / 2, journal.count - 1] {
      var changed = journal
      changed[place] ^= 0x20
      faulty.append(changed)
    }
    var resumed: [Int] = []
    for bytes in faulty {
      let directory = TemporaryDirectory()
      directory.write("m.vq4.journal", bytes)
      directory.write("m.vq4.partial", partial)
      let result = try conversion(options()).write(to: directory.file("m.vq4"))
      resumed.append(result.resumedElementCount)
      #expect(try Fixtures.readFile(directory.file("m.vq4")) == expected)
    }
    #expect(resumed[0] == 0 && resumed[7] > 0 && resumed[7] < resumed[10])
  }

  @Test func whatStandsBesideDecides() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let expected = try reference(options())
    // A partial file without a journal, and a journal without a partial file, hold nothing.
    directory.write("m.vq4.partial", [0, 0, 0])
    _ = try conversion(options(resumes: false)).write(to: path)
    #expect(try Fixtures.readFile(path) == expected)
    unlink(path)
    #expect(try stop(conversion(options()), after: 200, path) == nil)
    let journal = try Fixtures.readFile(path + ".journal")
    let partial = try Fixtures.readFile(path + ".partial")
    unlink(path + ".partial")
    let result = try conversion(options()).write(to: path)
    #expect(result.resumedElementCount == 0)
    #expect(try Fixtures.readFile(path) == expected)
    unlink(path)
    // A stopped conversion is neither lost nor continued unasked.
    directory.write("m.vq4.journal", journal)
    directory.write("m.vq4.partial", partial)
    #expect { try conversion(options(resumes: false)).write(to: path) } throws: {
      let error = $0 as? ConversionError
      return error?.code == .stoppedConversion && error?.remedy == .resumeOrStartAnew
    }
    #expect(try Fixtures.readFile(path + ".partial") == partial)
    #expect(try Fixtures.readFile(path + ".journal") == journal)
    var force = try options(resumes: false)
    force.overwrite = true
    #expect(try conversion(force).write(to: path).resumedElementCount == 0)
    #expect(try Fixtures.readFile(path) == expected)
    #expect(directory.names() == ["m.vq4"])
  }

  /// Neither is emptied nor removed, whatever the options say.
  @Test(arguments: ["m.vq4.journal", "m.vq4.partial"], [false, true])
  func filesOfOthersAreLeftAlone(_ name: String, overwrite: Bool) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    var options = try options()
    options.overwrite = overwrite
    func expectRefusal(_ words: String) throws {
      let names = directory.names()
      #expect {
        try conversion(options).write(to: path)
      } throws: { error in
        let text = "\(error)"
        return text.hasPrefix(directory.file(name)) && text.contains(words)
          && ((error as? ConversionError)?.code == .foreignFile
            || (error as? VQ4Error)?.code == .outputExists)
      }
      #expect(directory.names() == names)
    }
    directory.write(name, "Keep this.")
    try expectRefusal("is not what an earlier run left")
    #expect(try Fixtures.readFile(directory.file(name)) == Array("Keep this.".utf8))
    // Ours by its content, and somebody's under another name.
    unlink(directory.file(name))
    directory.write("other", "")
    #expect(link(directory.file("other"), directory.file(name)) == 0)
    try expectRefusal("another name")
    unlink(directory.file(name))
    #expect(symlink("other", directory.file(name)) == 0)
    try expectRefusal("no regular file")
  }

  /// A stopped conversion stays as it was where the file beside it is somebody else's.
  @Test func aForeignJournalCostsNoPartialFile() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    #expect(try stop(conversion(options()), after: 200, path) == nil)
    let partial = try Fixtures.readFile(path + ".partial")
    directory.write("m.vq4.journal", "Keep this.")
    #expect {
      try conversion(options()).write(to: path)
    } throws: { ($0 as? ConversionError)?.code == .foreignFile }
    #expect(try Fixtures.readFile(path + ".partial") == partial)
  }

  /// An empty licence could pass for a partial file or a journal of ours.
  @Test(arguments: ["m.vq4", "m.vq4.journal", "m.vq4.partial"])
  func filesThatAreReadAreNotWritten(_ name: String) throws {
    let source = TemporaryDirectory()
    SmallCheckpoint().write(to: source.path)
    let directory = TemporaryDirectory()
    directory.write(name, "")
    unlink(source.file("LICENSE"))
    #expect(symlink(directory.file(name), source.file("LICENSE")) == 0)
    var options = try options("f32", .map)
    options.overwrite = true
    #expect {
      try conversion(options, of: source.path).write(to: directory.file("m.vq4"))
    } throws: { error in
      "\(error)".hasPrefix("\(directory.file(name)): is ")
        && "\(error)".contains("this run")
        && ((error as? ConversionError)?.code == .foreignFile
          || (error as? VQ4Error)?.code == .sameFile)
    }
    #expect(directory.names() == [name])
  }

  /// A name of the output in the checkpoint's folder makes it no input.
  @Test func theOutputMayStandInTheCheckpoint() throws {
    let source = TemporaryDirectory()
    SmallCheckpoint().write(to: source.path)
    #expect(symlink("m.vq4", source.file("latest.vq4")) == 0)
    var options = try options("f32", .map)
    for _ in 0..<2 {
      _ = try conversion(options, of: source.path).write(to: source.file("m.vq4"))
      options.overwrite = true
    }
    #expect(source.names().contains("m.vq4"))
  }

  @Test func anotherConversionIsNotContinued() throws {
    let source = TemporaryDirectory()
    SmallCheckpoint().write(to: source.path)
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let first = try options("balanced", .map)
    #expect(try stop(conversion(first, of: source.path), after: 100, path) == nil)
    let names = directory.names()
    func refusal(_ options: ConversionOptions) throws -> ConversionError? {
      do {
        _ = try conversion(options, of: source.path).write(to: path)
        return nil
      } catch {
        #expect(directory.names() == names)
        return error as? ConversionError
      }
    }
    let recipe = try refusal(options("int8", .map))
    #expect(recipe?.code == .otherConversion && recipe?.detail.contains("recipe") == true)
    let layout = try refusal(options("balanced", .auto))
    #expect(
      layout?.code == .otherConversion && layout?.detail.contains("layout map") == true
        && layout?.remedy == .startAnew)
    var times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 5)]
    utimensat(AT_FDCWD, source.file("model.safetensors"), &times, 0)
    let shard = try refusal(first)
    #expect(shard?.code == .otherConversion)
    #expect(shard?.detail.contains("model.safetensors") == true)
    var force = try options("int8", .map)
    force.overwrite = true
    _ = try conversion(force, of: source.path).write(to: path)
    #expect(try Fixtures.readFile(path) == reference(options("int8", .map), of: source.path))
  }

  @Test func aPartialFileThatLostBytesIsNotContinued() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    #expect(try stop(conversion(options()), after: 300, path) == nil)
    var partial = try Fixtures.readFile(path + ".partial")
    let journal = try Fixtures.readFile(path + ".journal")
    partial[70_000] ^= 1
    directory.write("m.vq4.partial", partial)
    #expect { try conversion(options()).write(to: path) } throws: {
      let error = $0 as? VQ4Error
      return error?.code == .chunkHash && error?.needsNewConversion == true
    }
    directory.write("m.vq4.partial", Array(partial.prefix(80_000)))
    directory.write("m.vq4.journal", journal)
    #expect { try conversion(options()).write(to: path) } throws: {
      ($0 as? VQ4Error)?.code == .chunkHash || ($0 as? VQ4Error)?.code == .chunkStoredSize
    }
    #expect(directory.names() == ["m.vq4.journal", "m.vq4.partial"])
  }

  @Test func twoWritersDoNotMeet() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let conversion = try conversion(options())
    var isRefused = false
    _ = try conversion.write(
      to: path,
      progress: { _ in
        guard !isRefused else { return }
        do {
          _ = try conversion.write(to: path)
        } catch {
          isRefused = (error as? VQ4Error)?.code == .outputBusy
        }
      })
    #expect(isRefused)
    #expect(try Fixtures.readFile(path) == reference(options()))
  }
}
