import Testing

/// Files and lines stay short enough to read.
@Suite struct LengthTests {
  /// Files that may be longer than 600 lines, and why.
  static let longFiles: [String: String] = [:]

  @Test func theTreeIsRead() {
    #expect(SourceTree.files.count > 200)
    #expect(SourceTree.files.contains { $0.path == "Package.swift" })
    #expect(SourceTree.files.contains { $0.path == "Sources/CVARKernels/math.c" })
  }

  @Test func filesAreShort() {
    for file in SourceTree.files where Self.longFiles[file.path] == nil {
      #expect(file.lines.count <= 600, "\(file.path) has \(file.lines.count) lines")
    }
    for path in Self.longFiles.keys.sorted() {
      let file = SourceTree.files.first { $0.path == path }
      #expect((file?.lines.count ?? 0) > 600, "\(path) needs no exception")
    }
  }

  /// Comments and C may be a little wider than Swift code; data in literals of many lines as wide as it is.
  @Test func linesAreShort() {
    for file in SourceTree.files {
      for (line, code) in zip(file.lines, file.code) {
        let isData = code.text.isEmpty && !line.drop { $0 == " " }.hasPrefix("//")
        if file.isSwift && isData { continue }
        let limit = file.isSwift && !code.text.allSatisfy { $0 == " " } ? 100 : 120
        #expect(line.count <= limit, "\(file.path):\(code.number) has more than \(limit) columns")
      }
    }
  }

  @Test func linesHaveNoTabsAndNoBlanksAtTheEnd() {
    for file in SourceTree.files {
      for (index, line) in file.lines.enumerated() {
        #expect(!line.contains("\t"), "\(file.path):\(index + 1) has a tab")
        #expect(line.last != " ", "\(file.path):\(index + 1) ends with blanks")
        #expect(line.utf8.last != UInt8(ascii: "\r"), "\(file.path):\(index + 1) ends with CR")
      }
    }
  }
}
