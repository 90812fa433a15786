import Testing
import VARSystem

/// The examples of RFC 4648, section 10.
@Suite struct Base64Tests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func textIsThatOfTheStandard(bytes: String, text: String) {
    #expect(Base64.encode(Array(bytes.utf8)) == text)
  }

  @Test func allSignsAreUsed() {
    #expect(Base64.encode([0xFB, 0xEF, 0xBE, 0xFF, 0xFF]) == "++++//8=")
  }
}
