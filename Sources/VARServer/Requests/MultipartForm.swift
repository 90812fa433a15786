/// The parts of a form with files, of RFC 7578.
package struct MultipartForm {
  /// A field of the form.
  package struct Part {
    package let name: String
    /// What the file was called; nil for a field that is no file. No path is ever made of it.
    package let fileName: String?
    package let content: [UInt8]
  }

  package private(set) var parts: [Part] = []

  /// Parts that a form may have.
  private static let maximumPartCount = 64
  /// Bytes that the head of a part may have.
  private static let maximumHeadBytes = 8 << 10

  /// - Parameter contentType: the header field of the request, which tells what stands between parts.
  /// - Throws: 400 for a body that is no such form.
  package init(_ body: [UInt8], contentType: String) throws(APIError) {
    guard let boundary = Self.parameter("boundary", of: contentType), !boundary.isEmpty,
      boundary.utf8.count <= 200
    else { throw Self.broken("its Content-Type tells no boundary") }
    let mark = Array("--\(boundary)".utf8)
    // The first mark may stand at the very beginning, each other one follows a line break.
    guard var place = body.starts(with: mark) ? 0 : Self.find([13, 10] + mark, in: body, from: 0)
    else { throw Self.broken("it has no parts") }
    if place > 0 { place += 2 }
    while true {
      place += mark.count
      if body[place...].starts(with: Array("--".utf8)) { return }
      guard let line = Self.find([13, 10], in: body, from: place),
        body[place..<line].allSatisfy({ $0 == 32 || $0 == 9 })
      else { throw Self.broken("a mark between parts does not end its line") }
      guard parts.count < Self.maximumPartCount else {
        throw Self.broken("it has more than \(Self.maximumPartCount) parts")
      }
      guard let end = Self.find([13, 10] + mark, in: body, from: line) else {
        throw Self.broken("its last part does not end")
      }
      parts.append(try Self.part(body, line..<end))
      place = end + 2
    }
  }

  /// - Parameter range: from the line break before the part's head to that behind its content.
  private static func part(_ body: [UInt8], _ range: Range<Int>) throws(APIError) -> Part {
    let limit = min(range.upperBound, range.lowerBound + maximumHeadBytes)
    guard let end = find([13, 10, 13, 10], in: Array(body[range.lowerBound..<limit]), from: 0)
    else { throw broken("the head of a part does not end") }
    let head = String(decoding: body[range.lowerBound..<range.lowerBound + end], as: UTF8.self)
    let disposition = head.split(whereSeparator: \.isNewline).first {
      $0.lowercased().hasPrefix("content-disposition:")
    }
    guard let disposition, let name = parameter("name", of: String(disposition)) else {
      throw broken("a part has no name")
    }
    return Part(
      name: name, fileName: parameter("filename", of: String(disposition)),
      content: Array(body[(range.lowerBound + end + 4)..<range.upperBound]))
  }

  /// The value of `name=value` or `name="value"` in a header field.
  static func parameter(_ name: String, of field: String) -> String? {
    var rest = Substring(field)
    while let semicolon = rest.firstIndex(of: ";") {
      rest = rest[rest.index(after: semicolon)...].drop { $0 == " " || $0 == "\t" }
      guard let equals = rest.firstIndex(of: "=") else { return nil }
      let key = rest[..<equals]
      rest = rest[rest.index(after: equals)...]
      var value = ""
      if rest.first == "\"" {
        rest = rest.dropFirst()
        while let letter = rest.popFirst(), letter != "\"" {
          value.append(letter == "\\" ? rest.popFirst() ?? letter : letter)
        }
      } else {
        value = String(rest.prefix { $0 != ";" && $0 != " " })
        rest = rest[rest.index(rest.startIndex, offsetBy: value.count)...]
      }
      if key.lowercased() == name { return value }
    }
    return nil
  }

  private static func find(_ mark: [UInt8], in body: [UInt8], from start: Int) -> Int? {
    guard start <= body.count - mark.count else { return nil }
    return body.withUnsafeBufferPointer { body in
      mark.withUnsafeBufferPointer { mark in
        (start...body.count - mark.count).first { place in
          body[place] == mark[0] && (1..<mark.count).allSatisfy { body[place + $0] == mark[$0] }
        }
      }
    }
  }

  private static func broken(_ reason: String) -> APIError {
    APIError(400, "the form cannot be read: \(reason)", code: "invalid_form")
  }
}
