import Testing
import VARLite
import VARModels
import VARTestSupport
import VQ4Format

/// One weight that is not a number: whatever reads it ends with an error, and never becomes text or pixels.
@Suite struct NotANumberTests {
  private enum Task: CaseIterable {
    case answer, drawing, roundTrip

    /// What it reads weights of.
    var components: Set<TensorSpecification.Component> {
      switch self {
      case .answer: [.vision, .llmEmbedding, .llm, .llmHead]
      case .drawing: [.llmEmbedding, .llm, .llmHead, .generator, .projector, .vaeDecoder]
      case .roundTrip: [.vaeEncoder, .vaeDecoder]
      }
    }

    func result(of model: Model) throws -> [UInt8] {
      switch self {
      case .answer:
        let answer = try model.understand(
          Prompt("What is in this picture?", images: [TinyModel.picture("scene_2")]),
          sampling: .endless(maximumTokens: 3))
        return answer.tokens.map { UInt8(truncatingIfNeeded: $0) }
      case .drawing:
        let drawing = try model.draw(
          Prompt("A circle."), options: DrawingRequest(cfgScale: 3, tau: 0.5, seed: 7),
          .atOnce)
        return drawing.image.pixels
      case .roundTrip:
        return try model.reconstruct(TinyModel.picture("scene_0")).picture.pixels
      }
    }
  }

  /// The place of a stream's first number, and the bytes that make a NaN of it.
  private struct Fault {
    let name: String
    let offset: Int
    let bytes: [UInt8]

    init?(_ file: VQ4File, _ index: Int) {
      let tensor = file.tensors[index].description
      name = tensor.name
      let role: VQ4StreamRole
      switch tensor.elementType {
      case .f32: (role, bytes) = (.codes, [0x00, 0x00, 0xC0, 0x7F])
      case .f16: (role, bytes) = (.codes, [0x00, 0x7E])
      case .bf16: (role, bytes) = (.codes, [0xC0, 0x7F])
      case .int8: (role, bytes) = (.scales, [0x00, 0x7E])
      case .int4: (role, bytes) = (.superscales, [0x00, 0x7E])
      }
      guard let range = file.rawFileRange(index, role) else { return nil }
      offset = range.lowerBound
    }

    /// The same for all layers of a network.
    var family: String { String(name.map { $0.isNumber ? "#" : $0 }) }
  }

  @Test(arguments: ["f32", "int4", "int8"]) func endsTheRequests(recipe: String) throws {
    let path = try TinyModel.path(recipe: recipe)
    var bytes = try Fixtures.readFile(path)
    let whole = try VQ4File(path: path)
    func model() throws -> Model {
      let file = try bytes.withUnsafeBytes { try VQ4File(copying: $0, path: "damaged.vq4") }
      return try Model(file: file, source: nil, options: RunOptions(kvType: .int8))
    }
    let expected = try Task.allCases.map { try $0.result(of: model()) }
    let specifications = try TinyModel.tensors(whole)
    let components = Dictionary(
      uniqueKeysWithValues: specifications.map { ($0.name, $0.component) })
    var families = Set<String>()
    for index in whole.tensors.indices {
      guard let fault = Fault(whole, index), families.insert(fault.family).inserted else {
        continue
      }
      let place = fault.offset..<fault.offset + fault.bytes.count
      let before = Array(bytes[place])
      bytes.replaceSubrange(place, with: fault.bytes)
      let damaged = try model()
      var failures = 0
      let component = try #require(components[fault.name])
      for (task, expected) in zip(Task.allCases, expected) {
        // That others go on as ever does not depend on how weights are stored.
        guard recipe == "f32" || task.components.contains(component) else { continue }
        do {
          let result = try task.result(of: damaged)
          #expect(result == expected, "\(fault.name): \(task) went on with a NaN")
        } catch {
          failures += 1
          #expect((error as? VARLiteError)?.category == .model, "\(fault.name): \(error)")
          #expect("\(error)".contains("no numbers"), "\(fault.name): \(error)")
        }
      }
      // The first row of a table belongs to a token that no request has.
      #expect(failures > 0 || fault.name.contains("embed"), "\(fault.name)")
      bytes.replaceSubrange(place, with: before)
    }
    #expect(families.count > 40)
  }
}
