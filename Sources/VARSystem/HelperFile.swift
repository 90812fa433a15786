/// A file that a program keeps beside its output while it works, as `m.vq4.partial` beside `m.vq4`.
///
/// What an earlier run left there is taken over. What may be somebody else's is neither written nor removed.
package enum HelperFile {
  /// Why a file is not taken for a helper file.
  package enum Refusal: Error, Equatable {
    /// A link, a folder or a device.
    case notRegular
    /// The system does not let it be looked at.
    case unreadable(SystemError)
    /// It has another name, under which the content would change too.
    case otherName
    /// This run reads it.
    case input
    /// No run of this program left it.
    case foreign

    /// What is wrong, as part of a message that begins with the file's name.
    package var problem: String {
      switch self {
      case .notRegular: "is no regular file, and this run would write its work there"
      case .unreadable(let error): "\(error)"
      case .otherName: "has another name too (a hard link), and this run would write its work there"
      case .input: "is read by this run, which would write its work there"
      case .foreign: "is not what an earlier run left, and this run would write its work there"
      }
    }
  }

  /// Bytes of the beginning that tell whose a file is.
  package static let startByteCount = 512

  /// Checks an open file before anything is written to it.
  ///
  /// - Parameters:
  ///   - inputs: the files that this run reads.
  ///   - isOurs: told the first bytes, fewer than ``startByteCount`` where the file is shorter.
  package static func check(
    _ file: OpenFile, sparing inputs: Set<FileStatus.Identity>, isOurs: ([UInt8]) -> Bool
  ) throws(Refusal) {
    let status = try look { () throws(SystemError) in try file.status() }
    guard status.kind == .regular else { throw .notRegular }
    guard !inputs.contains(status.identity) else { throw .input }
    guard status.linkCount <= 1 else { throw .otherName }
    let start = try look { () throws(SystemError) in
      try file.bytes(at: 0, count: startByteCount)
    }
    guard isOurs(start) else { throw .foreign }
  }

  private static func look<Value>(
    _ body: () throws(SystemError) -> Value
  ) throws(Refusal) -> Value {
    do throws(SystemError) { return try body() } catch { throw .unreadable(error) }
  }

  /// The same by name; nothing of that name is right too.
  package static func check(
    _ path: String, sparing inputs: Set<FileStatus.Identity>, isOurs: ([UInt8]) -> Bool
  ) throws(Refusal) {
    guard let status = FileStatus(path, followsLinks: false) else { return }
    guard status.kind == .regular else { throw .notRegular }
    let file = try look { () throws(SystemError) in try OpenFile(path, .readingNoLink) }
    try check(file, sparing: inputs, isOurs: isOurs)
  }
}
