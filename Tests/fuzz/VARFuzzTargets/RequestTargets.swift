import VARJSON
import VARLite
import VARServer
import VQ4Format

extension FuzzTarget {
  /// The body of a request to the server: a form where it begins with the mark of one, else JSON.
  static let requestBody = FuzzTarget(
    "request-body", files: { [FuzzFile("request.body", $0)] },
    read: { input in
      var type = "application/json"
      if input.starts(with: Array("--".utf8)) {
        let boundary = input.dropFirst(2).prefix { $0 != 13 }
        type = "multipart/form-data; boundary=\(String(decoding: boundary, as: UTF8.self))"
      }
      _ = try JobBody(input, contentType: type)
    })

  /// A file of the server's state, with a hash that fits.
  static let jobState = FuzzTarget(
    "job-state", files: { [FuzzFile("job.request", $0)] },
    read: { try StateFile.check($0) },
    change: { input, change in
      let body = change.mutate(Array(input.dropFirst(16)), max(0, change.capacity - 16))
      let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
      return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) }
        + body
    })

  /// Bodies that are taken.
  static let smallRequestBodies: [(name: String, text: String)] = [
    (
      "chat.json",
      """
      {"type":"chat","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":
      [{"type":"text","text":"What?"},{"type":"image_url","image_url":{"url":"\(picture)"}}]}],
      "max_tokens":8,"temperature":0.5,"top_p":0.9,"stop":["."],"seed":1}
      """
    ),
    (
      "drawing.json",
      """
      {"type":"image.generation","prompt":"Draw it.","n":2,"size":"auto","seed":-1,
      "output_format":"jpeg","output_compression":50}
      """
    ),
    (
      "edit.json",
      """
      {"type":"image.edit","prompt":"Turn it.","images":[{"image_url":"\(picture)"}]}
      """
    ),
    (
      "edit.form",
      "--b\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage.edit\r\n"
        + "--b\r\nContent-Disposition: form-data; name=prompt\r\n\r\nTurn it.\r\n"
        + "--b\r\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a\\\"\"\r\n"
        + "Content-Type: image/webp\r\n\r\nnone\r\n--b--\r\n"
    ),
  ]

  /// A job as it was asked for, and two ways in which one ended.
  static let smallJobFiles: [(name: String, bytes: [UInt8])] = {
    let id = "job_" + String(repeating: "0", count: 32)
    func request(order: Int, byteCount: Int) -> String {
      #"{"id":"\#(id)","created":1,"order":\#(order),"seed":7,"model":"a","model_hash":"0","#
        + #""content_type":"application/json","parts":[\#(byteCount)]}"#
    }
    func failed(at time: Int) -> String {
      #"{"id":"\#(id)","ended":\#(time),"status":400,"error":{"message":"no"},"parts":[]}"#
    }
    let completed = """
      {"id":"\(id)","ended":2,"document":{"data":[{"seed":7}]},"files":1,"parts":[4]}
      """
    return [
      ("asked.request", jobFile(request(order: 1, byteCount: 5), "{\"a\":1}".prefix(5).utf8)),
      ("failed.ending", jobFile(failed(at: 2), "".utf8)),
      ("completed.ending", jobFile(completed, "file".utf8)),
      // Numbers that nothing can be added to.
      ("far.request", jobFile(request(order: .max, byteCount: 2), "{}".utf8)),
      ("far.ending", jobFile(failed(at: .max), "".utf8)),
    ]
  }()

  private static func jobFile(_ header: String, _ parts: some Sequence<UInt8>) -> [UInt8] {
    let length = UInt32(header.utf8.count)
    let body =
      Array("VARJOBS1".utf8) + withUnsafeBytes(of: length.littleEndian) { Array($0) }
      + Array(header.utf8) + Array(parts)
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  /// A grey picture of one bit a pixel.
  private static let picture =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADklEQVR42mMIZVjFgIQB"
    + "HpwD/XAVyZAAAAAASUVORK5CYII="
}
