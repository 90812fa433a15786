import Testing
import VARJSON

@Suite struct ForeignContentTests {
  @Test func aByteOrderMarkIsSkipped() throws {
    #expect(try JSONValue(parsing: "\u{FEFF}{\"a\":1}")["a"] == .integer(1))
    // Only the first one, and only there.
    #expect { try JSONValue(parsing: "\u{FEFF}\u{FEFF}1") } throws: {
      ($0 as? JSONError)?.code == .syntax
    }
    #expect { try JSONValue(parsing: [0xEF, 0xBB]) } throws: {
      ($0 as? JSONError)?.code == .syntax
    }
  }

  @Test func otherContentIsNamedWithoutAPlace() {
    let pointer = "\u{FEFF}version https://git-lfs.github.com/spec/v1\n"
    #expect { try JSONValue(parsing: pointer) } throws: {
      ($0 as? JSONError)?.code == .foreignContent && "\($0)".hasSuffix("git lfs pull")
    }
    #expect { try JSONValue(parsing: [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00]) } throws: {
      "\($0)" == "is text in UTF-16; save it as UTF-8"
    }
  }

  @Test(arguments: ["version 2", "<htm", "{\"version\":1}", "", "<", "[\"<html>\"]"])
  func otherTextsAreNotMistakenForIt(text: String) {
    #expect(ForeignContent(of: Array(text.utf8)) == nil)
  }
}
