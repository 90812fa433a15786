/// What a file of a kind begins with.
package struct FileMark: Sendable {
  package let bytes: [UInt8]

  package init(_ text: String) { bytes = Array(text.utf8) }

  /// Whether nothing stands at `path`, or a file of the kind, be it of another version, damaged in a place, or the
  /// zeros that a loss of power leaves.
  package func canReplace(_ path: String) -> Bool {
    guard let kind = FileStatus(path)?.kind else { return true }
    guard kind == .regular,
      let start = try? OpenFile(path, .reading).bytes(at: 0, count: bytes.count)
    else { return false }
    let wrongCount = zip(start, bytes).count { $0 != $1 }
    let isCut = start.count < bytes.count
    return wrongCount <= (isCut ? 0 : 1) || start.allSatisfy { $0 == 0 }
  }
}
