import VARJSON
import VARSystem

/// Why a container was refused or could not be written.
///
/// The description is one line that says what is wrong, where, and what to do.
package struct VQ4Error: Error, Sendable, Equatable, CustomStringConvertible {
  /// A stable name for one kind of fault; the list is open.
  package struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    init(_ rawValue: String) { self.rawValue = rawValue }
    package var description: String { rawValue }
  }

  /// What kind of fault it is.
  package let code: Code
  /// The file, as the caller named it.
  package var path = ""
  /// The part of the file at fault, for example `tensor "norm.weight", codes, chunk 3`.
  package var place = ""
  /// What is wrong.
  package let problem: String
  /// Position in the file, counted from the model's first byte.
  package private(set) var offsetBytes: Int?
  /// The value that a rule of the format asks for.
  package let expected: String?
  /// The value in the file.
  package let found: String?
  /// What to do about it.
  package let remedy: String
  /// `errno` of the failed system call.
  package private(set) var systemError: Int32?

  init(
    _ code: Code, _ problem: String, expected: String? = nil, found: String? = nil,
    remedy: Remedy = .copyAgain
  ) {
    self.code = code
    self.problem = problem
    self.expected = expected
    self.found = found
    self.remedy = remedy.rawValue
  }

  /// Advice that fits a whole class of faults.
  enum Remedy: String {
    case copyAgain = "the file is damaged, copy or download it again"
    case convertAgain = "the program that wrote it is at fault, convert the model again"
    case update = "update this program"
    case none = ""
    case checkDisk = "check the disk and the kernel's messages"
    case checkPath = "check the path"
    case openAgain = "open it again; a model is replaced by renaming another file over it"
    case allowFiles = "raise the limit on open files (ulimit -n)"
    case mapLess = "read the weights instead, or raise the limit on memory (ulimit -v)"
    case freeMemory = "free memory, or raise the limit on it (ulimit -v)"
    case checkInput = "correct the value"
    case freeSpace = "check the free space and the rights of the directory"
    case startAnew = "start the conversion anew"
    case chooseOutput = "choose another output or allow overwriting"
    case chooseOtherOutput = "choose another output"
    case clearPlace = "move it away or choose another output"
  }

  package var description: String {
    var text = path.isEmpty ? "" : "\(path): "
    if !place.isEmpty { text += "\(place): " }
    text += problem
    if let offsetBytes { text += " at offset \(Self.grouped(offsetBytes))" }
    switch (expected, found) {
    case (let expected?, let found?): text += " (expected \(expected), found \(found))"
    case (let expected?, nil): text += " (expected \(expected))"
    case (nil, let found?): text += " (found \(found))"
    case (nil, nil): break
    }
    return (remedy.isEmpty ? text : text + "; " + remedy).printable
  }

  /// Whether what a stopped conversion left is of no use.
  package var needsNewConversion: Bool { remedy == Remedy.startAnew.rawValue }

  /// Whether the output may be replaced, if that is asked for.
  package var mayBeOverwritten: Bool { remedy == Remedy.chooseOutput.rawValue }

  /// Whether memory was refused, which is no fault of the file.
  package var isOutOfMemory: Bool { systemError == SystemError.outOfMemory }

  /// The same fault, named with the file it is in.
  func inFile(_ path: String) -> VQ4Error {
    var error = self
    error.path = path
    return error
  }

  /// The same fault, named with the part of the file it is in.
  func at(_ place: String) -> VQ4Error {
    var error = self
    error.place = error.place.isEmpty ? place : "\(place), \(error.place)"
    return error
  }

  /// The same fault, named with its position in the file.
  func atOffset(_ offsetBytes: Int) -> VQ4Error {
    var error = self
    error.offsetBytes = offsetBytes
    return error
  }

  /// The same fault, with `errno` of the system call that failed.
  func caused(by systemError: Int32?) -> VQ4Error {
    var error = self
    error.systemError = systemError
    return error
  }

  /// Decimal digits in groups of three: `4,718,592`.
  static func grouped(_ number: Int) -> String {
    var text = ""
    let digits = String(number.magnitude)
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return number < 0 ? "-" + text : text
  }

  /// A size for a message: `1 byte`, `4,096 bytes`.
  static func bytes(_ count: Int) -> String { grouped(count) + (count == 1 ? " byte" : " bytes") }
}
