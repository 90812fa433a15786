import Testing

/// Functions, initializers and subscripts take few enough parameters to keep in mind.
@Suite struct ParameterTests {
  @Test func declarationsTakeFewParameters() {
    var declarationCount = 0
    for file in SourceTree.files(below: "Sources") where file.isSwift {
      let declarations = file.parameterCounts
      declarationCount += declarations.count
      for (line, count) in declarations {
        #expect(count <= 5, "\(file.path):\(line) declares \(count) parameters")
      }
    }
    #expect(declarationCount > 2000)
  }

  @Test func parametersAreCounted() {
    let lines = [
      "func none() -> (Int, Int) { Point.init(1, 2) }",
      "static func == (left: Self, right: Self) -> Bool",
      "init?<Body: Collection>(",
      "  _ map: Map<Int, [Int]>, body: (Int, Int) -> Void = { _, _ in },  // one, two",
      "  name: String = \"a, b\")",
      "subscript(row: Int, column: Int, plane: Int = 1 < 2 ? 0 : 1, last: Int) -> Int {",
      "self.init(1, 2, 3)",
    ]
    let file = SourceFile(path: "Sources/A/B.swift", lines: lines)
    #expect(file.parameterCounts.map(\.line) == [1, 2, 3, 6])
    #expect(file.parameterCounts.map(\.count) == [0, 2, 3, 4])
  }
}

extension SourceFile {
  /// The line and the number of parameters of each function, initializer and subscript.
  fileprivate var parameterCounts: [(line: Int, count: Int)] {
    var scanner = ParameterScanner(self)
    var counts: [(line: Int, count: Int)] = []
    while let next = scanner.next() { counts.append(next) }
    return counts
  }
}

/// Finds parameter lists in the code of a file.
private struct ParameterScanner {
  private let bytes: [UInt8]
  private var index = 0
  private var line = 1

  init(_ file: SourceFile) {
    bytes = file.code.flatMap { Array($0.text.utf8) + [UInt8(ascii: "\n")] }
  }

  mutating func next() -> (line: Int, count: Int)? {
    while index < bytes.count {
      let before: UInt8? = index > 0 ? bytes[index - 1] : nil
      let word = takeWord()
      let isMember = before == UInt8(ascii: ".") || before == UInt8(ascii: "`")
      if !isMember, ["func", "init", "subscript"].contains(word) {
        let start = line
        if takeBracket(afterAnything: word == "func") { return (start, takeParameters()) }
      } else if word.isEmpty {
        take()
      }
    }
    return nil
  }

  private mutating func take() {
    if bytes[index] == UInt8(ascii: "\n") { line += 1 }
    index += 1
  }

  private mutating func takeWord() -> String {
    let start = index
    while index < bytes.count, Self.isWordPart(bytes[index]) { index += 1 }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private static func isWordPart(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte >= 0x80 || Character(UnicodeScalar(byte)).isLetter
      || Character(UnicodeScalar(byte)).isWholeNumber
  }

  /// Goes on behind the bracket that begins a parameter list, if there is one.
  ///
  /// - Parameter afterAnything: after a name or operator too, and not only after marks and a generic clause.
  private mutating func takeBracket(afterAnything: Bool) -> Bool {
    var isGeneric = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "<") { isGeneric = true }
      let isExpected = afterAnything || isGeneric || "(?! \n".utf8.contains(byte)
      guard isExpected else { return false }
      take()
      if byte == UInt8(ascii: "(") { return true }
    }
    return false
  }

  /// The number of parameters up to the closing bracket.
  private mutating func takeParameters() -> Int {
    var (depth, count) = (1, 0)
    var isParameter = false
    while index < bytes.count, depth > 0 {
      let (byte, before) = (bytes[index], bytes[index - 1])
      // A comparison has blanks around it, a generic type has none.
      let isOperator = before == UInt8(ascii: " ") || before == UInt8(ascii: "-")
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
      case UInt8(ascii: "<") where !isOperator: depth += 1
      case UInt8(ascii: ">") where !isOperator: depth -= 1
      default: break
      }
      if byte == UInt8(ascii: ","), depth == 1 {
        isParameter = false
      } else if depth > 0, !isParameter, byte != UInt8(ascii: " "), byte != UInt8(ascii: "\n") {
        isParameter = true
        count += 1
      }
      take()
    }
    return count
  }
}
