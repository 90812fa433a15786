import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The mid-size checkpoint as a model, converted once for all tests, and runs of `varlite` with it.
enum MidSizeModel {
  private nonisolated(unsafe) static var folder: TemporaryDirectory?

  static let path = Swift.Result<String, any Error> {
    let folder = TemporaryDirectory()
    Self.folder = folder
    atexit { MidSizeModel.folder = nil }
    let source = folder.file("source")
    guard mkdir(source, 0o755) == 0 else { throw FixtureError("no folder") }
    try MidSizeCheckpoint.write(to: source)
    let path = folder.file("middle.vq4")
    let result = try Programs.varconvert([
      source, "-o", path, "--recipe", "balanced", "--layout", "map", "--no-preview-map",
      "--quiet",
    ])
    guard result.status == 0 else { throw FixtureError(result.errorText) }
    for name in MidSizeCheckpoint.shardNames { unlink("\(source)/\(name)") }
    return path
  }

  /// Has the page cache forget the model, as on a machine that has just started.
  static func evict() throws { try PageCache.evict(path.get()) }

  /// Runs `varlite` with the model from an evicted page cache, watching its memory.
  ///
  /// - Parameter limitBytes: of the control group that it runs in; nil: none.
  static func varlite(
    _ arguments: [String], limitBytes: Int? = nil
  ) throws -> Programs.Result {
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try path.get())")
    runner.timeoutSeconds = 300
    runner.watchesMemory = true
    try evict()
    guard let limitBytes else { return try runner.run(arguments) }
    guard let group = MemoryGroup(limitBytes: limitBytes) else {
      throw FixtureError("no control group of \(limitBytes) bytes")
    }
    let result = try group.run(runner, arguments)
    guard group.killCount == 0 else {
      throw FixtureError("killed for memory at \(limitBytes) bytes: \(arguments)")
    }
    return result
  }
}
