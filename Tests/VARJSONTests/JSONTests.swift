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

  /// Few members are searched one by one, more by a table.
  @Test(arguments: [1, 8, 9, 10, 100, 1000]) func membersAreFoundHoweverManyThereAre(count: Int) {
    var object = JSONObject()
    for index in 0..<count { object["key \(index)"] = .integer(index) }
    for index in 0..<count { #expect(object["key \(index)"] == .integer(index)) }
    #expect(object["key"] == nil && object["key \(count)"] == nil)
    object["key 0"] = .null
    object["key \(count / 2)"] = nil
    #expect(object.members.count == count - 1 && object["key \(count / 2)"] == nil)
    for (key, value) in object.members { #expect(object[key] == value) }
    let text = JSONValue.object(object).text
    #expect((try? JSONValue(parsing: text)) == .object(object))
    let twice = text.dropLast() + (count > 1 ? "," : "") + "\"a\":0,\"a\":1}"
    #expect { try JSONValue(parsing: String(twice)) } throws: {
      ($0 as? JSONError)?.code == .duplicateKey
    }
  }

  /// Documents that take many times their bytes are refused, unless they are small.
  @Test(arguments: ["0,", "[],", "[[[[0]]]],", "{\"\":0},", "\"\","])
  func memoryIsInProportionToTheText(element: String) throws {
    func document(_ byteCount: Int) -> String {
      "[" + String(repeating: element, count: byteCount / element.utf8.count) + "0]"
    }
    #expect(throws: Never.self) { try JSONValue(parsing: document(1 << 20 - 16)) }
    #expect { try JSONValue(parsing: document(16 << 20)) } throws: {
      ($0 as? JSONError)?.code == .tooLarge
    }
  }

  @Test func listsOfNamesAndNumbersMayBeLarge() throws {
    var text = "{"
    for index in 0..<200_000 {
      text += "\"model.layers.\(index).weight\":{\"dtype\":\"BF16\",\"shape\":[3584,3584]},"
    }
    let value = try JSONValue(parsing: text + "\"end\":0}")
    #expect(value.objectValue?.members.count == 200_001)
    #expect(value["model.layers.199999.weight"]?["shape"]?.arrayValue?.count == 2)
  }
}
