extension JSONValue {
  /// Parses one document.
  ///
  /// Stricter than common decoders, since configurations come from files of unknown origin: a key that stands
  /// twice, nesting beyond `maximumDepth`, a number that is not finite, invalid UTF-8 and bytes after the document
  /// are errors. A byte order mark before the document is skipped; content that is plainly of another kind is named.
  /// In memory a document takes at most ``treeByteCount(ofText:)``.
  package init(parsing bytes: UnsafeRawBufferPointer, maximumDepth: Int = 16) throws(JSONError) {
    var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
    if bytes.starts(with: ForeignContent.byteOrderMark) { parser.position = 3 }
    do throws(JSONError) {
      self = try parser.document()
    } catch {
      guard let foreign = ForeignContent(of: bytes) else { throw error }
      throw JSONError(.foreignContent, foreign.description)
    }
  }

  package init(parsing bytes: [UInt8], maximumDepth: Int = 16) throws(JSONError) {
    var result: Result<JSONValue, JSONError> = .success(.null)
    bytes.withUnsafeBytes { buffer in
      do throws(JSONError) {
        result = .success(try JSONValue(parsing: buffer, maximumDepth: maximumDepth))
      } catch {
        result = .failure(error)
      }
    }
    self = try result.get()
  }

  package init(parsing text: String, maximumDepth: Int = 16) throws(JSONError) {
    try self.init(parsing: Array(text.utf8), maximumDepth: maximumDepth)
  }
}

extension JSONValue {
  /// Bytes of memory that a document of `byteCount` bytes may take, its text left out: 32 MiB and 6 for each byte.
  ///
  /// A document of up to 1 MiB never takes more, whatever it holds. Of larger ones those are refused that consist of
  /// little else than brackets and digits: names and numbers as checkpoints and tokenizers list them take 2 to 5.
  package static func treeByteCount(ofText byteCount: Int) -> Int { 32 << 20 + 6 * byteCount }
}

private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let maximumDepth: Int
  var position = 0
  var scratch: [UInt8] = []
  /// Bytes of memory that the tree may still take.
  private var budget: Int

  init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    budget = JSONValue.treeByteCount(ofText: bytes.count)
  }

  /// Counts bytes on the heap before more is read.
  private mutating func take(_ byteCount: Int) throws(JSONError) {
    budget -= byteCount
    guard budget >= 0 else {
      throw JSONError(
        .tooLarge, at: position,
        "the document takes more than \(JSONValue.treeByteCount(ofText: bytes.count)) bytes of "
          + "memory: too many values for its size")
    }
  }

  /// Counts a buffer that grew: for a moment both are there.
  private mutating func take(grownFrom old: Int, to new: Int) throws(JSONError) {
    guard new != old else { return }
    try take(new + (old == 0 ? Self.objectByteCount : 0))
    budget += old
  }

  /// Head of an object on the heap, and what the allocator adds.
  private static let objectByteCount = 48

  mutating func document() throws(JSONError) -> JSONValue {
    let value = try self.value(depth: 0)
    skipSpace()
    guard position == bytes.count else {
      throw JSONError(.trailingBytes, at: position, "bytes after the end of the document")
    }
    return value
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= maximumDepth else {
      throw JSONError(.tooDeep, at: position, "nesting deeper than \(maximumDepth)")
    }
    skipSpace()
    guard let byte = peek() else {
      throw JSONError(.syntax, at: position, "the document ends early")
    }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw JSONError(.syntax, at: position, "unexpected byte")
    }
  }

  private mutating func literal(
    _ text: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    let matches = text.withUTF8Buffer { expected in
      position + expected.count <= bytes.count
        && expected.indices.allSatisfy { bytes[position + $0] == expected[$0] }
    }
    guard matches else { throw JSONError(.syntax, at: position, "unexpected word") }
    position += text.utf8CodeUnitCount
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    position += 1
    var object = JSONObject()
    skipSpace()
    if peek() == UInt8(ascii: "}") {
      position += 1
      return .object(object)
    }
    while true {
      skipSpace()
      let start = position
      guard peek() == UInt8(ascii: "\"") else {
        throw JSONError(.syntax, at: position, "a key in double quotes is expected")
      }
      let key = try string()
      guard object[key] == nil else {
        throw JSONError(.duplicateKey, at: start, "key \"\(key)\" stands twice")
      }
      skipSpace()
      try expect(UInt8(ascii: ":"))
      let value = try value(depth: depth + 1)
      let byteCount = object.heapByteCount
      object.append(key, value)
      try take(grownFrom: byteCount, to: object.heapByteCount)
      skipSpace()
      if peek() == UInt8(ascii: ",") {
        position += 1
      } else {
        try expect(UInt8(ascii: "}"))
        return .object(object)
      }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
    position += 1
    var values: [JSONValue] = []
    skipSpace()
    if peek() == UInt8(ascii: "]") {
      position += 1
      return .array(values)
    }
    while true {
      let value = try value(depth: depth + 1)
      let capacity = values.capacity
      values.append(value)
      let stride = MemoryLayout<JSONValue>.stride
      try take(grownFrom: capacity * stride, to: values.capacity * stride)
      skipSpace()
      if peek() == UInt8(ascii: ",") {
        position += 1
      } else {
        try expect(UInt8(ascii: "]"))
        return .array(values)
      }
    }
  }

  private mutating func expect(_ byte: UInt8) throws(JSONError) {
    guard peek() == byte else {
      throw JSONError(
        .syntax, at: position, "\"\(Character(UnicodeScalar(byte)))\" is expected")
    }
    position += 1
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    var isInteger = true
    func digits() -> Int {
      let first = position
      while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        position += 1
      }
      return position - first
    }
    if peek() == UInt8(ascii: "-") { position += 1 }
    let leadingZero = peek() == UInt8(ascii: "0")
    let integerDigits = digits()
    var isValid = integerDigits > 0 && !(leadingZero && integerDigits > 1)
    if peek() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      isValid = digits() > 0 && isValid
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      isValid = digits() > 0 && isValid
    }
    guard isValid else { throw JSONError(.syntax, at: start, "malformed number") }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw JSONError(.numberOutOfRange, at: start, "number out of range: \(text)")
    }
    return .number(value)
  }

  private mutating func string() throws(JSONError) -> String {
    let start = position
    position += 1
    scratch.removeAll(keepingCapacity: true)
    while true {
      guard let byte = peek() else {
        throw JSONError(.syntax, at: start, "a text without an end")
      }
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: scratch, as: UTF8.self) else {
          throw JSONError(.invalidText, at: start, "a text that is not UTF-8")
        }
        // Shorter ones stand where the value stands.
        if scratch.count > 15 { try take(scratch.count + Self.objectByteCount) }
        return text
      case UInt8(ascii: "\\"):
        try escape()
      case 0..<0x20:
        throw JSONError(.invalidText, at: position - 1, "a control character in a text")
      default:
        scratch.append(byte)
      }
    }
  }

  private mutating func escape() throws(JSONError) {
    guard let byte = peek() else { throw JSONError(.syntax, at: position, "a cut escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scratch.append(byte)
    case UInt8(ascii: "b"): scratch.append(0x08)
    case UInt8(ascii: "f"): scratch.append(0x0C)
    case UInt8(ascii: "n"): scratch.append(0x0A)
    case UInt8(ascii: "r"): scratch.append(0x0D)
    case UInt8(ascii: "t"): scratch.append(0x09)
    case UInt8(ascii: "u"):
      let start = position
      var code = UInt32(try hexadecimalUnit())
      if (0xD800..<0xDC00).contains(code), peek() == UInt8(ascii: "\\") {
        position += 1
        try expect(UInt8(ascii: "u"))
        let low = UInt32(try hexadecimalUnit())
        guard (0xDC00..<0xE000).contains(low) else {
          throw JSONError(.invalidText, at: start, "half of a surrogate pair")
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
      }
      guard let scalar = UnicodeScalar(code) else {
        throw JSONError(.invalidText, at: start, "half of a surrogate pair")
      }
      scratch.append(contentsOf: UTF8.encode(scalar)!)
    default:
      throw JSONError(.syntax, at: position - 1, "an unknown escape")
    }
  }

  private mutating func hexadecimalUnit() throws(JSONError) -> UInt16 {
    guard position + 4 <= bytes.count else {
      throw JSONError(.syntax, at: position, "a cut escape")
    }
    var unit: UInt16 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[position] - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[position] - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[position] - UInt8(ascii: "A") + 10
      default: throw JSONError(.syntax, at: position, "a hexadecimal digit is expected")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
