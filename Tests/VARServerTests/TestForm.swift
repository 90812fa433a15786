/// A form with one file, as the clients of OpenAI send it.
struct TestForm {
  let fields: [(name: String, text: String)]
  private let boundary = "a-boundary-of-the-tests"

  var contentType: String { "Content-Type: multipart/form-data; boundary=\(boundary)" }

  func body(_ fileField: String, file: [UInt8]) -> [UInt8] {
    var body: [UInt8] = []
    for (name, text) in fields {
      body += part("name=\"\(name)\"", nil) + Array("\(text)\r\n".utf8)
    }
    body += part("name=\"\(fileField)\"; filename=\"a.png\"", "image/png") + file
    return body + Array("\r\n--\(boundary)--\r\n".utf8)
  }

  private func part(_ disposition: String, _ type: String?) -> [UInt8] {
    let lines = ["--\(boundary)", "Content-Disposition: form-data; \(disposition)"]
    let all = lines + (type.map { ["Content-Type: \($0)"] } ?? []) + ["", ""]
    return Array(all.joined(separator: "\r\n").utf8)
  }
}
