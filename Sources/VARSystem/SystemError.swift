#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why the system refused something: what was tried, and its `errno`.
///
/// Libraries turn it into errors of their own; the words are the same everywhere.
package struct SystemError: Error, Equatable, Sendable {
  /// What was tried.
  package enum Attempt: Equatable, Sendable {
    case open, create, examine, write, truncate, flush, reserve, map, allocate
    /// A read at this place, in bytes from the beginning.
    case read(at: Int)
    /// Giving a complete file its name; the bytes are kept in the file of the other name, if any.
    case rename(keptIn: String? = nil)
  }

  package let attempt: Attempt
  /// The system's `errno`; 0 where a file ended before all had come that was asked for.
  package let code: Int32

  package init(_ attempt: Attempt, _ code: Int32) {
    self.attempt = attempt
    self.code = code
  }

  /// Of the call that has just failed.
  init(_ attempt: Attempt) { self.init(attempt, errno) }

  /// The system's words for the reason.
  package var message: String { isEndOfFile ? "the file ends before" : Self.message(code) }

  /// The system's words for an `errno`.
  package static func message(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    strerror_r(code, &buffer, buffer.count)
    // By bytes: CChar is signed on some platforms only.
    return buffer.withUnsafeBytes { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension SystemError: CustomStringConvertible {
  /// What was tried and the reason: `cannot be opened: Permission denied`.
  package var description: String { "cannot be \(verb): \(message)" }

  private var verb: String {
    switch attempt {
    case .open: "opened"
    case .create: "created"
    case .examine: "examined"
    case .read: "read"
    case .write: "written"
    case .truncate: "cut"
    case .flush: "flushed to the disk"
    case .reserve: "enlarged"
    case .map: "mapped"
    case .allocate: "held in memory"
    case .rename: "renamed"
    }
  }
}

extension SystemError {
  /// The end of a message, where there is more to say: what to do, or where the bytes are.
  package var advice: String {
    guard case .rename(let place?) = attempt else { return remedy }
    return "\(remedy); the result is in \(place)"
  }

  private var remedy: String {
    switch (code, attempt) {
    case (EMFILE, _), (ENFILE, _): "; raise the limit on open files (ulimit -n)"
    case (ENOSPC, _), (EDQUOT, _): "; make room on the disk"
    case (ENOENT, .open): "; check the path"
    case (ENOENT, .create): "; make its folder first"
    default: ""
    }
  }
}

// MARK: Reasons that are treated apart

extension SystemError {
  package static let outOfMemory = ENOMEM
  package static let noSpace = ENOSPC
  package static let invalidArgument = EINVAL

  /// Whether the file ended before all had come that was asked for.
  package var isEndOfFile: Bool { code == 0 }
  /// Whether there is nothing of that name.
  package var isMissing: Bool { code == ENOENT }
  /// Whether a link stands where none is followed.
  package var isLink: Bool { code == ELOOP }
  /// Something has the name already.
  package var isTaken: Bool { code == EEXIST }
  /// Whether a folder stands where a file was expected.
  package var isFolder: Bool { code == EISDIR }
  /// Whether the process or the system has too many files open.
  package var isShortOfFiles: Bool { code == EMFILE || code == ENFILE }
  /// Whether the disk, a quota or a limit has no room left.
  package var isShortOfRoom: Bool { [ENOSPC, EDQUOT, EFBIG].contains(code) }
  /// Whether a folder takes no new file.
  package var isFolderClosed: Bool { [EACCES, EPERM, EROFS].contains(code) }
  /// Whether a file cannot be replaced by another and may yet take its bytes: it is mounted by itself, or belongs to
  /// another user in a folder like /tmp.
  package var cannotReplace: Bool { isFolderClosed || code == EBUSY || code == EXDEV }
}
