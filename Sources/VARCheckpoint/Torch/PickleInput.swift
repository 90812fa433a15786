/// The bytes of a pickle from the first opcode to the last, and the errors that name a place in them.
struct PickleInput {
  private let path: String
  private let bytes: [UInt8]
  private var position = 0
  /// Of the opcode at work.
  private var start = 0

  /// - Parameter path: of the file, for errors.
  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  /// Throws for an opcode that is not allowed; what follows an opcode is read by the other functions.
  mutating func nextOpcode() throws(CheckpointError) -> PickleOpcode {
    start = position
    let byte = try take(1).first!
    if let opcode = PickleOpcode(rawValue: byte) { return opcode }
    guard let name = PickleOpcode.refusedNames[byte] else {
      throw malformed("\(byte) is no opcode; the file is damaged, copy it again")
    }
    // PyTorch itself cannot load what it saves with this protocol.
    let isOldest = name == "PERSID" || name == "UNICODE"
    throw refused(isOldest ? "opcode \(name) of protocol 0" : "opcode \(name)")
  }

  mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - position else {
      throw malformed("the pickle ends here; the file is cut short, copy it again")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// Of `size` bytes, at most 8.
  mutating func number(_ size: Int) throws(CheckpointError) -> Int {
    guard let value = LittleEndianBytes(try take(size)).number(at: 0, size: size) else {
      throw malformed("a count beyond 2^63")
    }
    return value
  }

  /// Behind its length, a number of `lengthSize` bytes.
  mutating func text(_ lengthSize: Int) throws(CheckpointError) -> String {
    guard let text = String(validating: try take(try number(lengthSize)), as: UTF8.self) else {
      throw malformed("a text that is not UTF-8")
    }
    return text
  }

  /// Up to the next line feed.
  mutating func line() throws(CheckpointError) -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else {
      throw malformed("a line without end")
    }
    let content = try take(end - position)
    position += 1
    guard content.count <= 1024, let text = String(validating: content, as: UTF8.self) else {
      throw malformed("a line that is no name and no number")
    }
    return text
  }

  mutating func lineNumber() throws(CheckpointError) -> Int {
    guard let value = Int(try line()), value >= 0 else { throw malformed("no number") }
    return value
  }

  /// What the opcode at work says cannot be.
  func malformed(_ detail: String) -> CheckpointError {
    CheckpointError(.malformedPickle, path: path, "byte \(start) of data.pkl: \(detail)")
  }

  /// What the opcode at work asks for is not on the list.
  func refused(_ detail: String) -> CheckpointError {
    CheckpointError(
      .refusedPickle, path: path,
      "byte \(start) of data.pkl: \(detail) is not allowed; only tensors in dictionaries are read, "
        + "and nothing was executed. Save the bare state dict, best as safetensors")
  }
}
