import Testing
import VARLite
import VARModels
import VARTestSupport
import VQ4Format

/// Where the weights are changes no byte of a result.
@Suite struct ResidencyTests {
  private func streamed(
    _ path: String, share: Double, threadCount: Int
  ) throws -> (model: Model, source: BudgetedWeightSource) {
    let file = try VQ4File(path: path)
    // Slabs of a few tiles, so that the small model's head has many.
    let blocks = WeightBlocks(
      file, tensors: try TinyModel.tensors(file), slabCodeBytes: 16_384)
    let source = BudgetedWeightSource(
      WeightStore(blocks, .stream, threadCount: threadCount, poisonsReleased: true), share: share)
    return (
      try Model(file: file, source: source, options: .init(threadCount: threadCount)), source
    )
  }

  @Test(arguments: VQ4StorageLayout.allCases)
  func residencyAndLayoutDoNotMatter(layout: VQ4StorageLayout) throws {
    let path = try TinyModel.path(recipe: "balanced", layout: layout)
    let reference = try SameBytesTests.run(
      Model(path: TinyModel.path(recipe: "balanced"), options: .init(threadCount: 1)))
    for residency in [Residency.map, .load, .stream] {
      let model = try Model(path: path, options: .init(threadCount: 2, residency: residency))
      #expect(try SameBytesTests.run(model) == reference, "\(residency)")
    }
    for (share, threadCount) in [(0.0, 1), (0.0, 4), (0.1, 2), (0.6, 2)] {
      let (model, source) = try streamed(path, share: share, threadCount: threadCount)
      #expect(try SameBytesTests.run(model) == reference, "\(share), \(threadCount) threads")
      #expect(source.streamedBytes > 0)
    }
  }

  /// A model inside a larger file, whose groups begin neither with a page nor with a block of it.
  @Test(arguments: [VQ4StorageLayout.map, .compact])
  func aRegionOfALargerFileIsAModel(layout: VQ4StorageLayout) throws {
    let path = try TinyModel.path(recipe: "balanced", layout: layout)
    let reference = try SameBytesTests.run(Model(path: path))
    let bytes = try Fixtures.readFile(path)
    let folder = TemporaryDirectory()
    let other = [UInt8](repeating: 0xA5, count: 10_048)
    folder.write("larger", other + bytes + other)
    for residency in [Residency.map, .load, .stream] {
      let file = try VQ4File(
        path: folder.file("larger"), offset: other.count, length: bytes.count)
      let model = try Model(
        file: file, source: nil, options: .init(threadCount: 2, residency: residency))
      #expect(try SameBytesTests.run(model) == reference, "\(residency)")
    }
  }

  @Test func everyPrecisionIsStreamed() throws {
    for recipe in ["f32", "int4"] {
      let path = try TinyModel.path(recipe: recipe)
      let (model, _) = try streamed(path, share: 0.3, threadCount: 2)
      #expect(try SameBytesTests.run(model) == SameBytesTests.run(Model(path: path)), "\(recipe)")
    }
  }

  /// A conversation of many turns changes its phase often, and another one takes its turns in between.
  @Test func chatsTakeTurns() throws {
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    func replies(_ model: Model) throws -> [String] {
      let sampling = TextSampling(temperature: 0, seed: 1, maximumTokens: 6)
      let chats = try (0..<2).map { _ in
        try Chat(model, drawing: DrawingRequest(seed: 4), sampling: sampling)
      }
      var replies: [String] = []
      for turn in 0..<2 {
        for chat in chats {
          let pictures = turn == 0 ? [try TinyModel.picture("scene_3")] : []
          replies.append(try chat.say(Prompt("What is it?", images: pictures)).text)
        }
      }
      let drawn = try chats[0].say(Prompt("Draw it."), .atOnce)
      let sum = drawn.image.pixels.reduce(0) { $0 &* 31 &+ Int($1) }
      return replies + ["\(sum)", try chats[1].say(Prompt("And now?")).text]
    }
    let expected = try replies(Model(path: path))
    for share in [0.0, 0.5] {
      #expect(try replies(streamed(path, share: share, threadCount: 2).model) == expected)
    }
    let loaded = try Model(path: path, options: .init(residency: .load))
    #expect(try replies(loaded) == expected)
  }

  /// Requests from several threads at once.
  @Test(arguments: [Residency.map, .load, .stream])
  func requestsFromManyThreads(residency: Residency) async throws {
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    let reference = try SameBytesTests.run(Model(path: path))
    let model = try Model(path: path, options: .init(threadCount: 1, residency: residency))
    let results = try await withThrowingTaskGroup(of: SameBytesTests.Result.self) { group in
      for _ in 0..<3 { group.addTask { try SameBytesTests.run(model) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.count == 3 && results.allSatisfy { $0 == reference })
  }

  @Test func aBudgetThatIsTooSmallIsTold() throws {
    let path = try TinyModel.path(recipe: "balanced")
    for residency in [Residency.load, .stream] {
      let model = try Model(
        path: path, options: .init(residency: residency, memoryBudgetBytes: 1 << 20))
      let error = try #require(throws: VARLiteError.self) { try SameBytesTests.run(model) }
      #expect(error.category == .memory && error.detail.contains("at least"))
    }
  }

  /// Cancelled in the middle of a pass, a request ends soon, and the next one finds everything in order.
  @Test func cancelledRequestsLeaveNothingBehind() throws {
    let path = try TinyModel.path(recipe: "balanced")
    let reference = try SameBytesTests.run(Model(path: path))
    let (model, _) = try streamed(path, share: 0, threadCount: 2)
    for limit in [1, 7, 20, 40] {
      #expect(throws: VARLiteError.self) {
        try model.draw(
          Prompt("Make it blue.", images: [TinyModel.picture("scene_0")]), .atOnce,
          stop: Countdown(limit).stop)
      }
    }
    #expect(try SameBytesTests.run(model) == reference)
  }

  @Test func damagedWeightsEndARequest() throws {
    let folder = TemporaryDirectory()
    let path = try TinyModel.path(recipe: "balanced", layout: .compact)
    let file = try VQ4File(path: path)
    let group = try #require(file.groupIndex(named: "generator.blocks.1"))
    var bytes = try Fixtures.readFile(path)
    bytes[file.groups[group].fileRange.lowerBound + 5000] ^= 1
    folder.write("m.vq4", bytes)
    for residency in [Residency.load, .stream] {
      let model = try Model(path: folder.file("m.vq4"), options: .init(residency: residency))
      for _ in 0..<2 {
        let error = try #require(throws: VARLiteError.self) {
          try model.draw(Prompt("a"), .atOnce)
        }
        #expect(error.category == .model && error.detail.contains("m.vq4: tensor"))
      }
      // What does not read them is answered.
      _ = try model.understand(Prompt("Who are you?"), sampling: TextSampling(maximumTokens: 2))
    }
  }
}
