import Testing
import VARJSON
import VARLite
import VARModels
import VARTestSupport
import VARVision
import VQ4Format

/// Drawings as values: stored, resumed, varied, and refused where they are not what they say.
@Suite struct DrawingStateTests {
  private static let prompt = "Please paint a red circle."

  private static func request(
    _ drawing: DrawingRequest, _ start: DrawingRequest.Start = .atOnce, _ prompt: String = prompt
  ) -> Request {
    var request = Request(prompt, drawing: drawing)
    request.drawing?.start = start
    return request
  }

  /// A drawing behind a number of scales.
  private func state(_ model: Model, scaleCount: Int) throws -> DrawingState {
    let stop = StopSignal()
    stop.stop(.afterScale)
    var found: DrawingState?
    _ = try model.run(Self.request(DrawingRequest(cfgScale: 1, seed: 5))) { event in
      if let scale = event.scale, scale.index + 1 == scaleCount { found = scale.state }
    }
    return try #require(found)
  }

  private func category(_ body: () throws -> Void) -> VARLiteError.Category? {
    do {
      try body()
      return nil
    } catch { return (error as? VARLiteError)?.category }
  }

  // MARK: Going on

  /// From behind every scale, with bytes stored in between.
  @Test(arguments: [
    (Residency.map, 3.0, DrawingRequest.Start.atOnce), (.map, 1.0, .afterText),
    (.stream, 3.0, .afterText), (.stream, 1.0, .atOnce),
  ])
  func aResumedDrawingIsTheUndisturbedOne(
    residency: Residency, cfgScale: Double, start: DrawingRequest.Start
  ) throws {
    let model = try Model(
      path: TinyModel.path(recipe: "balanced", layout: .compact),
      options: .init(threadCount: 2, residency: residency))
    var states: [DrawingState] = []
    let drawing = DrawingRequest(cfgScale: cfgScale, tau: 0.7, seed: 11)
    let whole = try model.run(Self.request(drawing, start)) { event in
      if let scale = event.scale { states.append(scale.state) }
    }
    try #require(states.count == 5 && states[4] == whole.drawing)
    for (index, state) in states.enumerated() {
      let stored = try DrawingState(serialized: state.serialized)
      #expect(stored == state && stored.isComplete == (index == 4))
      let resumed = try model.run(Self.request(DrawingRequest(resuming: stored)))
      #expect(resumed.picture == whole.picture && resumed.drawing == whole.drawing, "\(index)")
      #expect(resumed.text == whole.text)
      #expect(resumed.timings.contains { $0.stage == .drawing } == !stored.isComplete)
    }
  }

  @Test func aVariationKeepsWhatItIsToldTo() throws {
    let model = try TinyModel.f32()
    let whole = try state(model, scaleCount: 5)
    for kept in 0...5 {
      let drawing = DrawingRequest(varying: whole, keepingScales: kept, seed: 77)
      let varied = try #require(try model.run(Self.request(drawing)).drawing)
      #expect(varied.bits.prefix(kept) == whole.bits.prefix(kept))
      #expect((varied.bits == whole.bits) == (kept == 5), "\(kept) kept")
      #expect(varied.seed == 77)
    }
    for kept in [-1, 6, Int.max] {
      let drawing = DrawingRequest(varying: whole, keepingScales: kept, seed: 77)
      #expect(category { _ = try model.run(Self.request(drawing)) } == .request)
    }
  }

  /// Scales that are kept and have no bits are drawn with the seed that they had, which the variation tells.
  @Test func keptScalesAreDrawnAgainWhereTheirBitsAreMissing() throws {
    let model = try TinyModel.f32()
    let whole = try model.run(Self.request(DrawingRequest(cfgScale: 1, seed: 5)))
    let state = try #require(whole.drawing)
    func bare(_ response: Response) throws -> DrawingState {
      try PictureTexts(png: response.png(), name: "a.png", limits: ImageLimits()).state
    }
    func varied(_ state: DrawingState, _ kept: Int, _ seed: UInt64) throws -> Response {
      try model.run(
        Self.request(DrawingRequest(varying: state, keepingScales: kept, seed: seed)))
    }
    for kept in 0...5 {
      let drawn = try varied(bare(whole), kept, 77)
      #expect(try drawn.drawing == varied(state, kept, 77).drawing)
      #expect(drawn.drawing?.coarseSeeds.map(\.scaleCount) == (kept == 0 ? [] : [kept]))
    }
    // A variation of a variation has three seeds, wherever it goes on from.
    var states: [DrawingState] = []
    let second = try varied(bare(varied(state, 2, 77)), 4, 78)
    _ = try model.run(
      Self.request(
        DrawingRequest(varying: bare(varied(state, 2, 77)), keepingScales: 4, seed: 78))
    ) { if let scale = $0.scale { states.append(scale.state) } }
    #expect(second.drawing?.coarseSeeds.map(\.seed) == [5, 77] && states.count == 5)
    for state in states + [try bare(second)] {
      let stored = try DrawingState(serialized: state.serialized)
      let resumed = try model.run(Self.request(DrawingRequest(resuming: stored)))
      #expect(try resumed.drawing == second.drawing && resumed.png() == second.png())
    }
    // The seed that it had anyway makes no variation.
    #expect(try varied(state, 3, 5).png() == whole.png())
  }

  @Test func otherModelsPromptsAndPicturesAreRefused() throws {
    let model = try TinyModel.f32()
    let state = try state(model, scaleCount: 2)
    let drawing = DrawingRequest(resuming: state)
    let other = try Model(path: TinyModel.path(recipe: "int4"))
    #expect(category { _ = try other.run(Self.request(drawing)) } == .request)
    #expect(category { _ = try other.picture(of: state) } == .request)
    #expect(category { _ = try other.plan(Self.request(drawing)) } == .request)
    let otherPrompt = Self.request(drawing, .atOnce, "Please paint a blue circle.")
    #expect(category { _ = try model.run(otherPrompt) } == .request)
    var seen = Self.request(drawing)
    seen.messages = [
      Message(.user, Self.prompt, pictures: [Picture(try TinyModel.picture("scene_0"))])
    ]
    #expect(category { _ = try model.run(seen) } == .request)
    #expect(try model.run(Self.request(drawing)).end == .drawn)
  }

  // MARK: Damaged bytes

  @Test func everyDamageIsSeen() throws {
    let bytes = try state(TinyModel.f32(), scaleCount: 1).serialized
    var unseen = 0
    func expectRefused(_ bytes: [UInt8]) {
      if category({ _ = try DrawingState(serialized: bytes) }) != .file { unseen += 1 }
    }
    for index in bytes.indices {
      for change in [1, 0x80, 0xFF] as [UInt8] {
        var damaged = bytes
        damaged[index] ^= change
        expectRefused(damaged)
      }
      expectRefused(Array(bytes[..<index]))
    }
    expectRefused(bytes + [0])
    var random = SplitMix64(seed: 3)
    for _ in 0..<2000 {
      let count = Int(random.next() % 96)
      // With a hash that fits, and without.
      var body = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      expectRefused(body)
      if body.count >= 8 { body.replaceSubrange(0..<8, with: Array("VARDRAW1".utf8)) }
      expectRefused(Self.hashed(body))
    }
    #expect(unseen == 0)
  }

  private static func hashed(_ body: [UInt8]) -> [UInt8] {
    let hash = body.withUnsafeBytes { VQ4Hash(of: $0) }
    return withUnsafeBytes(of: (hash.low.littleEndian, hash.high.littleEndian)) { Array($0) } + body
  }

  private static func file(header: String, packed: [UInt8], length: Int? = nil) -> [UInt8] {
    let bytes = Array(header.utf8)
    let count = UInt32(truncatingIfNeeded: length ?? bytes.count)
    return hashed(
      Array("VARDRAW1".utf8) + withUnsafeBytes(of: count.littleEndian) { Array($0) } + bytes
        + packed)
  }

  /// Headers of which nobody could draw, behind a hash that fits.
  private static func absurd() -> [(key: String, text: String)] {
    let scales: [String] = [
      "[]", "[[0,0]]", "[[-1,1]]", "[[1,1,1]]", "[1]", "7", "[[4096,4096]]",
      "[[1,1],[2,2],[4,4],[6,6],[4096,4096]]", "[[8,8],[6,6],[4,4],[2,2],[1,1]]",
      "[[8,8],[8,8],[8,8],[8,8],[8,8]]", "[[1,1],[2,2],[4,4],[6,6],[9,9]]",
      "[" + Array(repeating: "[1,1]", count: 20_000).joined(separator: ",") + "]",
      "[[9223372036854775807,9223372036854775807]]",
    ]
    let tokens = [
      "[]", "[-1]", "[4000000000]", "[831]", "[1,2,3]", "\"\"", "[9223372036854775807]",
      "[" + Array(repeating: "1", count: 9000).joined(separator: ",") + "]",
    ]
    let bits = [
      "[-1]", "[9223372036854775807]", "[16,16]", "[15]", "[17]", "[16,0,0,0,0,0]", "[null]", "{}",
    ]
    let numbers = ["-1", "NaN", "1e999", "1e300", "\"1\"", "null"]
    return scales.map { ("scales", $0) } + tokens.map { ("answer", $0) }
      + bits.map { ("bits", $0) } + ["[1,1]", "[0,0]", "[4096,1]"].map { ("rope_reference", $0) }
      + numbers.flatMap { [("cfg_scale", $0), ("tau", $0), ("top_p", $0)] }
      + ["\"-1\"", "\"99999999999999999999\"", "7", "\"\""].map { ("seed", $0) }
      + ["0", "6", "-1", "1.5", "null", "\"1\""].flatMap {
        [("guided_scales", $0), ("dense_scales", $0), ("coarse_seeds", $0)]
      }
      + ["[[1]]", "[[0,\"1\"]]", "[[6,\"1\"]]", "[[1,1]]", "[[2,\"1\"],[2,\"2\"]]"].map {
        ("coarse_seeds", $0)
      } + [("at_once", "1"), ("pictures", "[1]"), ("pictures", "[\"a\"]")]
      + [("greedy", "1"), ("model", "\"\""), ("prompt", "\"\""), ("model", "7")]
  }

  @Test func absurdHeadersAreRefused() throws {
    let model = try TinyModel.f32()
    let bytes = try state(model, scaleCount: 1).serialized
    let length = bytes[24..<28].reversed().reduce(0) { $0 << 8 | Int($1) }
    let (header, packed) = (Array(bytes[28..<28 + length]), Array(bytes[(28 + length)...]))
    guard case .object(let good) = try JSONValue(parsing: header) else { return }
    // The test's own writer is right.
    let same = Self.file(header: String(decoding: header, as: UTF8.self), packed: packed)
    #expect(same == bytes)
    for (key, text) in Self.absurd() {
      var object = good
      object[key] = .string("@")
      let written = JSONValue.object(object).text.split(separator: "\"@\"")
      try #require(written.count == 2)
      let changed = Self.file(header: written[0] + text + written[1], packed: packed)
      let name = "\(key): \(text.prefix(60))"
      let refusals = [
        category {
          _ = try model.run(
            Self.request(DrawingRequest(resuming: DrawingState(serialized: changed))))
        },
        key == "prompt"
          ? .request
          : category {
            _ = try model.plan(
              Self.request(DrawingRequest(resuming: DrawingState(serialized: changed))))
          },
      ]
      for refusal in refusals {
        #expect(refusal.map { [.file, .request, .contextFull].contains($0) } == true, "\(name)")
      }
      // What the scales look like does not depend on the words.
      guard ["scales", "bits", "rope_reference", "model"].contains(key) else { continue }
      let picture = category { _ = try model.picture(of: DrawingState(serialized: changed)) }
      #expect(picture.map { [.file, .request].contains($0) } == true, "\(name)")
    }
    for length in [0, header.count - 1, header.count + 1, Int(UInt32.max)] {
      let text = String(decoding: header, as: UTF8.self)
      let changed = Self.file(header: text, packed: packed, length: length)
      #expect(category { _ = try DrawingState(serialized: changed) } == .file)
    }
  }
}
