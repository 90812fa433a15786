import VARForcedRun
import VARLite
import VARSystem
import VQ4Format

/// The file beside a calibration that is not done: where its run stands, for a later one to go on.
///
///     magic, identity of the run, stage, layer, number of values' lists
///     each list: number of values, values in f32
///     hash of all that
///
/// Numbers are little-endian `UInt64`, texts are ended by a line feed.
struct CalibrationState {
  let path: String
  /// What the run depends on: of another identity nothing is taken.
  let identity: String

  private static let magic = "varlite calibration state 1"
  private static let hashByteCount = 32
  private static let maximumListCount = 1 << 20

  static func path(of output: String) -> String { output + ".state" }

  func remove() { FileTree.remove(path) }

  /// Removes what an earlier run left.
  ///
  /// - Throws: `VARLiteError` for a file of somebody else's.
  func removeOurs() throws(VARLiteError) {
    do throws(HelperFile.Refusal) {
      try HelperFile.check(path, sparing: []) { $0.starts(with: Array(Self.magic.utf8)) }
    } catch {
      throw VARLiteError(.file, "\(path): \(error.problem); move it away")
    }
    remove()
  }

  // MARK: Writing

  func write(_ state: ForcedRunState) throws(VARLiteError) {
    let start = Array("\(Self.magic)\n\(identity)\n\(state.stage.rawValue)\n".utf8)
    let head = start + Self.bytes(state.layer) + Self.bytes(state.values.count)
    let lists = state.values
    let byteCount = lists.reduce(head.count + Self.hashByteCount) { $0 + 8 + $1.count * 4 }
    let content = FileContent(byteCount: byteCount) { writer throws(SystemError) in
      guard let hash = try? StreamHasher() else { throw SystemError(.allocate, 0) }
      func put(_ bytes: [UInt8]) throws(SystemError) {
        hash.update(bytes)
        try writer(bytes)
      }
      try put(head)
      for list in lists {
        try put(Self.bytes(list.count))
        try put(list.withUnsafeBytes { Array($0) })
      }
      try writer(Array(hash.value.description.utf8))
    }
    try CalibrationWriter.writing(path) { () throws(SystemError) in
      try WholeFile.write(content, to: path)
    }
  }

  private static func bytes(_ value: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(value).littleEndian) { Array($0) }
  }

  // MARK: Reading

  /// What an earlier run left; nil where there is nothing.
  ///
  /// - Throws: `CalibrationRefusal` for what another run left, or no run.
  func read() throws -> ForcedRunState? {
    guard let status = FileStatus(path) else { return nil }
    guard status.kind == .regular else { throw refusal("is no regular file") }
    var input = Input(
      file: try CalibrationWriter.writing(path) { () throws(SystemError) in
        try OpenFile(path, .reading)
      }, end: status.byteCount, hash: try StreamHasher())
    guard try input.line() == Self.magic else {
      throw refusal("is no state of a stopped calibration")
    }
    guard try input.line() == identity else {
      throw refusal("is of another model, other cases or other settings")
    }
    guard let stage = ForcedRunState.Stage(rawValue: try input.line() ?? "") else { throw damaged }
    var state = ForcedRunState(stage: stage, layer: try input.number() ?? -1, values: [])
    guard let count = try input.number(), (0...Self.maximumListCount).contains(count),
      state.layer >= 0
    else { throw damaged }
    for _ in 0..<count {
      guard let length = try input.number(), length >= 0, length <= input.rest / 4 else {
        throw damaged
      }
      let bytes = try input.take(length * 4)
      state.values.append(bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) })
    }
    let expected = input.hash.value.description
    guard input.rest == Self.hashByteCount,
      String(decoding: try input.take(Self.hashByteCount), as: UTF8.self) == expected
    else { throw damaged }
    return state
  }

  private var damaged: CalibrationRefusal { refusal("is damaged") }

  private func refusal(_ problem: String) -> CalibrationRefusal {
    CalibrationRefusal(problem: "\(path): \(problem)", canContinue: false)
  }

  /// The bytes of the file one after the other.
  private struct Input {
    let file: OpenFile
    let end: Int
    let hash: StreamHasher
    private var next = 0

    init(file: OpenFile, end: Int, hash: StreamHasher) {
      self.file = file
      self.end = end
      self.hash = hash
    }

    var rest: Int { end - next }

    mutating func take(_ count: Int) throws(SystemError) -> [UInt8] {
      let bytes = try file.bytes(at: next, count: min(count, rest))
      next += count
      hash.update(bytes)
      return bytes
    }

    /// A text up to the line feed, of 100 bytes at most.
    mutating func line() throws(SystemError) -> String? {
      let bytes = try file.bytes(at: next, count: min(100, rest))
      guard let length = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
      return String(decoding: try take(length + 1).dropLast(), as: UTF8.self)
    }

    mutating func number() throws(SystemError) -> Int? {
      guard rest >= 8 else { return nil }
      let bytes = try take(8)
      return Int(
        exactly: bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) })
    }
  }
}
