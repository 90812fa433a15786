import Testing
import VARServer

/// What requests are made of, without a server.
@Suite struct RequestPartTests {
  @Test func bytesBecomeLettersAndBytesAgain() {
    let known = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg=="]
    for (text, letters) in known {
      #expect(Base64.text(Array(text.utf8)) == letters)
      #expect(Base64.bytes(letters.utf8) == Array(text.utf8))
    }
    let all = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(Base64.bytes(Base64.text(all).utf8) == all)
    #expect(Base64.bytes("Zm9v\r\nYg".utf8) == Array("foob".utf8))
    for wrong in ["A", "Zm9v!", "Zg==Zg", "Zm 9v"] { #expect(Base64.bytes(wrong.utf8) == nil) }
  }

  /// Whoever reads the log does not get what clients drew.
  @Test func theLogTellsNoJobsName() {
    let id = JobID.random()
    let head = RequestHead(
      method: "GET", target: "/varlite/v1/jobs/\(id)/result?index=1", authority: nil, fields: [])
    let line = RequestRecord(head).line(200, time: 1)
    #expect(line.contains("\"/varlite/v1/jobs/\(id.prefix(8))…/result\""), "\(line)")
  }

  private static let type = "multipart/form-data; charset=utf-8; boundary=\"xyz\""

  private func form(_ text: String) throws -> MultipartForm {
    try MultipartForm(Array(text.utf8), contentType: Self.type)
  }

  @Test func formsAreTakenApart() throws {
    let form = try form(
      "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--xy\r\n"
        + "--xyz  \r\ncontent-type: image/png\r\n"
        + "CONTENT-DISPOSITION: form-data; filename=\"x\\\"; name=y\"; name=b\r\n\r\n\r\n--xyz--")
    #expect(form.parts.map(\.name) == ["a", "b"])
    #expect(form.parts.map(\.content) == [Array("one\r\n--xy".utf8), []])
    #expect(form.parts.map(\.fileName) == [nil, "x\"; name=y"])
  }

  @Test func brokenFormsAreRefused() {
    let head = "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n"
    let texts = [
      "", "--xy", "--xyz", "--xyz\r\n", head, head + "text", "--xyz\r\n\r\ntext\r\n--xyz--",
      "--xyz\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--xyz--", "--xyz?\r\n" + head,
      head + "a\r\n--xyz", String(repeating: head + "a\r\n", count: 65) + "--xyz--",
    ]
    for text in texts {
      #expect(throws: APIError.self, "\(text.prefix(80))") { try form(text) }
    }
    #expect(throws: APIError.self) { try MultipartForm([], contentType: "multipart/form-data") }
  }
}
