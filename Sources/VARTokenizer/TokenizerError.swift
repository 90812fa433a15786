import VARJSON

/// Why a tokenizer cannot be imported, opened or applied, and where.
package struct TokenizerError: Error, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable {
    /// A tokenizer file cannot be read.
    case unreadableFile
    /// A file or a text in it is larger than any sensible tokenizer's.
    case tooLarge
    /// A document is not acceptable JSON.
    case invalidJSON
    /// A member is absent or of another type.
    case invalidMember
    /// The file asks for a normalizer, splitter, model or option that is not implemented.
    case unsupported
    /// An entry holds a character outside the byte alphabet, or nothing.
    case invalidEntry
    /// One of the 256 bytes has no entry.
    case missingByte
    /// An id is negative or above the limit.
    case idOutOfRange
    /// Two entries share an id, or one text has two ids.
    case duplicateID
    /// A merge is not a pair of existing entries whose joined text is an entry.
    case invalidMerge
    /// The same pair stands twice in the merges.
    case duplicateMerge
    /// Tables are not tokenizer tables, or of another version.
    case unknownTables
    /// Tables end early, are too long or do not start at an aligned address.
    case wrongTablesSize
    /// Tables contradict themselves.
    case corruptTables
    /// The number of images differs from the number of image placeholders.
    case imageCountMismatch
  }

  package let code: Code
  /// The file or section at fault, such as `tokenizer.json`.
  package let source: String
  /// The place within it, such as `model.merges[12]`; empty where the whole is at fault.
  package let place: String
  /// What is wrong and what to do.
  package let detail: String

  package init(_ code: Code, in source: String, at place: String = "", _ detail: String) {
    self.code = code
    self.source = source
    self.place = place
    self.detail = detail
  }

  package var description: String {
    (place.isEmpty ? "\(source): \(detail)" : "\(source): \(place): \(detail)").printable
  }
}
