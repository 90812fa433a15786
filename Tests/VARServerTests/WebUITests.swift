import Testing
import VARJSON
import VARServer
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Programs that know the web UI of Stable Diffusion.
@Suite(.serialized) struct WebUITests {
  private static let prompt = "Draw a big red circle on a mint background."
  private let folder = TemporaryDirectory()

  private func images(_ answer: TestAnswer) throws -> [[UInt8]] {
    #expect(answer.status == 200, "\(answer.text.prefix(300))")
    let list = try answer.json["images"]?.arrayValue ?? []
    return list.compactMap { $0.stringValue.flatMap { Base64.bytes($0.utf8) } }
  }

  @Test func picturesAreThoseOfTheCommand() throws {
    let server = try ServerProgram()
    let drawn = try images(
      server.post(
        "/sdapi/v1/txt2img",
        """
        {"prompt": "\(Self.prompt)", "seed": 7, "batch_size": 2, "width": 90, "height": 100,
         "steps": 50, "cfg_scale": 7, "sampler_name": "Euler", "negative_prompt": "blue"}
        """))
    #expect(drawn.count == 2)
    #expect(try drawn.last == DemoModel.drawn(["generate", Self.prompt, "--seed", "8"]))
    let instruction = "Turn the red circle blue."
    let source = Base64.text(drawn[0])
    let edited = try images(
      server.post(
        "/sdapi/v1/img2img",
        "{\"prompt\": \"\(instruction)\", \"seed\": 0, \"init_images\": [\"\(source)\"]}"))
    let wanted = try server.post(
      "/v1/images/edits",
      """
      {"prompt": "\(instruction)", "seed": 0,
       "images": [{"image_url": "data:image/png;base64,\(source)"}]}
      """)
    let text = try wanted.json["data"]?.arrayValue?.first?["b64_json"]?.stringValue ?? ""
    #expect(edited == [Base64.bytes(text.utf8)])
    let none = try server.post("/sdapi/v1/img2img", "{\"prompt\": \"a\"}")
    #expect(try none.error?["param"] == .string("init_images"))
    let masked = try server.post(
      "/sdapi/v1/img2img",
      "{\"prompt\": \"a\", \"mask\": \"\(source)\", \"init_images\": [\"\(source)\"]}")
    #expect(try masked.error?["param"] == .string("mask"))
  }

  @Test func theModelIsToldAndChosen() throws {
    folder.write("keys", "a-key\n")
    let server = try ServerProgram(["--api-key-file", folder.file("keys")])
    // The name of the user does not matter, the password is the key.
    let header = "Authorization: Basic \(Base64.text(Array("somebody:a-key".utf8)))"
    func send(_ method: String, _ path: String, body: String? = nil) throws -> TestAnswer {
      try server.send(method, "/sdapi/v1/\(path)", headers: [header], body: body)
    }
    #expect(try server.send("GET", "/sdapi/v1/options").status == 401)
    #expect(try send("GET", "options").json["sd_model_checkpoint"] == .string("shapes"))
    let models = try send("GET", "sd-models").json.arrayValue
    #expect(models?.map { $0["title"] } == [.string("shapes")])
    #expect(try send("POST", "options", body: "{\"sd_model_checkpoint\": \"any\"}").status == 200)
    #expect(try send("DELETE", "options").headers["allow"] == "GET, POST")
    #expect(try send("GET", "samplers").status == 404)
    let idle = try send("GET", "progress").json
    #expect(idle["progress"]?.doubleValue == 0 && idle["current_image"] == .null)
  }

  @Test func aPictureIsWatched() throws {
    let server = try ServerProgram()
    let client = try server.connect()
    let body = "{\"prompt\": \"\(Self.prompt)\", \"width\": 512, \"height\": 512, \"n_iter\": 10}"
    try client.begin("POST", "/sdapi/v1/txt2img", body: Array(body.utf8))
    var progress = JSONValue.null
    for _ in 0..<600 where progress["current_image"]?.stringValue == nil {
      usleep(20_000)
      progress = try server.send("GET", "/sdapi/v1/progress").json
    }
    let picture = try #require(progress["current_image"]?.stringValue)
    #expect(Base64.bytes(picture.utf8)?.starts(with: [0x89, 0x50, 0x4E, 0x47]) == true)
    #expect((0..<1).contains(progress["progress"]?.doubleValue ?? 1))
    let hidden = try server.send("GET", "/sdapi/v1/progress?skip_current_image=true").json
    #expect(hidden["current_image"] == .null)
  }
}
