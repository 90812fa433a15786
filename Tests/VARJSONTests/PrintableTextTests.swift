import Testing
import VARJSON

/// Text of files as messages and tables show it.
@Suite struct PrintableTextTests {
  @Test(arguments: [
    ("model.layers.0.weight", "model.layers.0.weight"), ("Größe 图 👩‍👩‍👧", "Größe 图 👩‍👩‍👧"),
    ("a\u{1B}[2Jb", "a\\u{1B}[2Jb"), ("a\nb\r\tc", "a\\nb\\r\\tc"),
    ("\u{0}\u{7F}\u{80}\u{9B}31m", "\\u{0}\\u{7F}\\u{80}\\u{9B}31m"),
    ("x\u{202E}gnp.exe\u{2066}\u{200F}\u{61C}", "x\\u{202E}gnp.exe\\u{2066}\\u{200F}\\u{61C}"),
    ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
  ])
  func whatATerminalObeysIsEscaped(text: String, shown: String) {
    #expect(text.printable == shown)
    #expect(shown.printable == shown)
  }

  @Test func linesMayStay() {
    #expect("a\u{1B}\nb\r".escapedLines == "a\\u{1B}\nb\\r")
  }

  @Test func theMiddleOfALongTextIsLeftOut() {
    let text = "start " + String(repeating: "\u{1B}9", count: 1 << 20) + " end"
    let shown = text.printable
    #expect(shown.hasPrefix("start ") && shown.hasSuffix(" end") && shown.contains("\u{2026}"))
    #expect(shown.utf8.count < 8 * String.maximumPrintableCount)
    let fitting = String(repeating: "a", count: String.maximumPrintableCount)
    #expect(fitting.printable == fitting)
  }

  @Test func documentsStayTheSame() throws {
    let value = JSONValue.array([.string("\u{1B}[m\u{9B}\u{202E}\u{7F} ü\\\n")])
    let text = value.terminalText
    #expect(text == #"["\u001b[m\u009b\u202e\u007f ü\\\n"]"#)
    #expect(try JSONValue(parsing: text) == value)
  }

  @Test func errorsQuoteWhatIsShown() {
    #expect {
      try JSONValue(parsing: "{\"\\u001b[2J\":1,\"\\u001b[2J\":2}")
    } throws: { "\($0)".contains("\\u{1B}[2J") && !"\($0)".utf8.contains(0x1B) }
  }
}
