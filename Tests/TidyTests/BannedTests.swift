import Testing

/// Calls that crash on input, depend on the machine, or print from a library.
@Suite struct BannedTests {
  /// Occurrences of `name` in code that are neither part of a longer name nor of another type's member.
  static func calls(_ name: String, in code: String) -> Bool {
    let (bytes, wanted) = (Array(code.utf8), Array(name.utf8))
    guard bytes.count >= wanted.count else { return false }
    return (0...(bytes.count - wanted.count)).contains { start in
      guard bytes[start..<(start + wanted.count)].elementsEqual(wanted) else { return false }
      guard start > 0 else { return true }
      let before = bytes[start - 1]
      let isName =
        before == UInt8(ascii: "_") || before == UInt8(ascii: ".")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(before)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(before | 0x20)
      return !isName
    }
  }

  private func expectNone(
    of names: [String], in files: [SourceFile], except: Set<String> = [], because reason: String
  ) {
    for file in files where !except.contains(file.path) {
      for (number, code) in file.code {
        for name in names where Self.calls(name, in: code) {
          let isDeclared = code.contains("func \(name)")
          #expect(isDeclared, "\(file.path):\(number): \(name)…: \(reason)")
        }
      }
    }
  }

  @Test func callsAreFoundAsWholeNames() {
    #expect(Self.calls("exp(", in: "let x = exp(y)"))
    #expect(!Self.calls("exp(", in: "let x = cvar_exp(y)"))
    #expect(!Self.calls("exp(", in: "let x = Kernel.exp(y)"))
    #expect(Self.calls("try!", in: "try! a()"))
    let file = SourceFile(path: "a", lines: ["// exp(", "let a = \"exp(\" /* exp(", "exp( */ + b"])
    #expect(file.code.map(\.text) == ["", "let a =  ", " + b"])
  }

  @Test func nothingTrapsOnInput() {
    expectNone(
      of: ["try!", "fatalError(", "as! "], in: SourceTree.files(below: "Sources"),
      because: "a file, a prompt or an option can never trap; throw instead")
  }

  @Test func nothingNeedsFoundation() {
    expectNone(
      of: ["String(format:", "import Foundation", "NSString", "DateFormatter"],
      in: SourceTree.files.filter(\.isSwift), because: "Foundation links 58 MB")
  }

  /// A library's texts say what to change; a program turns that into its flags.
  @Test func librariesNameNoFlags() {
    for file in SourceTree.files(below: "Sources")
    where file.isSwift && !file.target.hasSuffix("CLI") {
      // Few lines have a text with a dash, and the pattern takes its time.
      for (index, line) in file.lines.enumerated()
      where line.utf8.contains(UInt8(ascii: "-")) && line.utf8.contains(UInt8(ascii: "\""))
        && line.contains(/"[^"]*--[a-z][^"]*"/)
      {
        Issue.record("\(file.path):\(index + 1): names a flag")
      }
    }
  }

  /// Roots are rounded correctly everywhere; these differ from one C library to the next.
  static let libm = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "sin", "cos", "tan", "sinh",
    "cosh", "tanh", "asin", "acos", "atan", "atan2", "erf", "erfc", "cbrt", "hypot", "tgamma",
    "lgamma", "fma",
  ]

  @Test func numbersDoNotDependOnTheMathLibrary() {
    let names = Self.libm.flatMap { ["\($0)(", "\($0)f("] }
    let folders = [
      "VARModels", "VARLite", "VARKernels", "VARQuantization", "VARConversion", "CVARKernels",
    ]
    for folder in folders {
      expectNone(
        of: names, in: SourceTree.files(below: "Sources/\(folder)"),
        because: "the C library's result is not the same on all machines; use CVARKernels")
    }
  }

  @Test func kernelsNeitherAllocateNorPrint() {
    expectNone(
      of: ["malloc(", "calloc(", "realloc(", "free(", "printf(", "fopen(", "pthread_create("],
      in: SourceTree.files(below: "Sources/CVARKernels"), because: "kernels only compute")
  }

  @Test func librariesNeverPrint() {
    let libraries = SourceTree.files(below: "Sources").filter { !$0.target.hasSuffix("CLI") }
    expectNone(
      of: ["print(", "debugPrint(", "dump(", "printf(", "getenv(", "exit("], in: libraries,
      because: "only the programs print, read the environment and end the process")
  }

  @Test func nothingIsLeftForLater() {
    // Put together here, so that this file does not name them.
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "HA" + "CK"]
    for file in SourceTree.files {
      for (index, line) in file.lines.enumerated() {
        for mark in marks where line.contains(mark) {
          Issue.record("\(file.path):\(index + 1): \(mark)")
        }
      }
    }
  }
}
