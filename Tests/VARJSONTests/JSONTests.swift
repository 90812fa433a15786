import Testing
import VARJSON

@Suite struct JSONTests {
  @Test func readsEveryKindAndKeepsKeyOrder() throws {
    let text = #"{"b":[1,-2.5,true,null],"a":{"text":"\u00e9\ud83d\ude00\n/"},"c":1e3}"#
    let value = try JSONValue(parsing: text)
    #expect(value["b"]?.arrayValue?[0].integerValue == 1)
    #expect(value["b"]?.arrayValue?[1].doubleValue == -2.5)
    #expect(value["a"]?["text"]?.stringValue == "é😀\n/")
    #expect(value["c"]?.integerValue == 1000)
    #expect(value.objectValue?.members.map(\.key) == ["b", "a", "c"])
    #expect(try JSONValue(parsing: value.text) == value)
    #expect(try JSONValue(parsing: value.prettyText) == value)
  }

  @Test(arguments: [
    (#"{"a":1,"a":2}"#, JSONError.Code.duplicateKey), ("[1e999]", .numberOutOfRange),
    ("[1] x", .trailingBytes), ("[01]", .syntax), ("[1", .syntax), ("", .syntax), ("nul", .syntax),
    (#"["\ud800"]"#, .invalidText), ("[\"\u{1}\"]", .invalidText), ("[NaN]", .syntax),
    (#"{"a" 1}"#, .syntax), ("[1,]", .syntax), ("[-]", .syntax), ("[1.]", .syntax),
  ])
  func refusesMalformedText(text: String, code: JSONError.Code) {
    #expect { try JSONValue(parsing: text) } throws: { ($0 as? JSONError)?.code == code }
  }

  @Test func refusesDeepNestingAndInvalidUTF8() {
    let deep = String(repeating: "[", count: 18) + String(repeating: "]", count: 18)
    #expect { try JSONValue(parsing: deep) } throws: { ($0 as? JSONError)?.code == .tooDeep }
    #expect { try JSONValue(parsing: [0x22, 0xFF, 0x22]) } throws: {
      ($0 as? JSONError)?.code == .invalidText
    }
  }
}
