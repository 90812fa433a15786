import Testing
import VARJSON
import VARKernels
import VARModels
import VARTestSupport
import VQ4Format

/// Memory of the released picture tokenizer, reserved from a file's directory: no weight is read.
@Suite struct PictureTokenizerMemoryTests {
  private static func configuration() throws -> VARGPTConfiguration {
    try VARGPTConfiguration(config: JSONValue(parsing: ReleasedConfiguration.text))
  }

  private static func decoderBytes(
    _ type: VQ4ElementType, pixels: Int, threadCount: Int = 2
  ) throws -> Int {
    let configuration = try configuration()
    let weights = try ModelWeights(
      source: DirectoryOnly(configuration.tensors, type), tensors: configuration.tensors)
    var plan = MemoryPlan()
    _ = VAEDecoder(configuration.vae, weights: weights).reserve(
      &plan, grid: GridSize(height: pixels / 16, width: pixels / 16), threadCount: threadCount)
    return plan.byteCount
  }

  @Test(arguments: [VQ4ElementType.f16, .bf16, .int8])
  func decodersStayWithinTheirLimits(type: VQ4ElementType) throws {
    #expect(try Self.decoderBytes(type, pixels: 512) <= 160_000_000)
    #expect(try Self.decoderBytes(type, pixels: 1024) <= 600_000_000)
  }

  /// Two maps of the finest level, in f32, and less than 30 MB.
  @Test func exactMapsTakeTwiceAsMuch() throws {
    let maps = 2 * 512 * 512 * 128 * 4
    let found = try Self.decoderBytes(.f32, pixels: 512)
    #expect((maps..<maps + 30_000_000).contains(found))
  }

  /// A thread takes its patches and the rows that keep it busy.
  @Test(arguments: [VQ4ElementType.f16, .int8])
  func threadsTakeLittle(type: VQ4ElementType) throws {
    let one = try Self.decoderBytes(type, pixels: 512, threadCount: 1)
    for threadCount in [2, 4, 8, 16, 64] {
      let found = try Self.decoderBytes(type, pixels: 512, threadCount: threadCount)
      #expect(found - one < 8_000_000 * (threadCount - 1), "\(threadCount) threads: \(found)")
    }
  }
}

/// Weights of which nothing but the directory is there; everything but vectors is of one type.
private final class DirectoryOnly: WeightSource, TensorDirectory {
  private let descriptions: [VQ4TensorDescription]
  private let indices: [String: Int]
  private let groups: [Int]

  init(_ tensors: [TensorSpecification], _ type: VQ4ElementType) {
    descriptions = tensors.map { tensor in
      let layout: VQ4Layout =
        switch tensor.kind {
        case .matrix, .convolution: .tiles
        case .table: .table
        case .vector: .vector
        }
      let columns = tensor.shape.dropFirst().reduce(1, *)
      let isQuantized = type.isQuantized && columns % 128 == 0
      let own: VQ4ElementType = tensor.kind == .vector ? .f32 : isQuantized ? type : .f16
      return VQ4TensorDescription(
        name: tensor.name, elementType: type.isQuantized || tensor.kind == .vector ? own : type,
        layout: layout, shape: tensor.shape, groupSize: own.isQuantized ? 128 : 0)
    }
    indices = Dictionary(
      descriptions.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { $1 })
    var numbers: [TensorGroup: Int] = [:]
    groups = tensors.map { tensor in
      numbers[tensor.group] = numbers[tensor.group] ?? numbers.count
      return numbers[tensor.group]!
    }
  }

  var tensorCount: Int { descriptions.count }
  func tensorIndex(named name: String) -> Int? { indices[name] }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription { descriptions[tensor] }
  func group(ofTensor tensor: Int) -> Int { groups[tensor] }
  var directory: any TensorDirectory { self }
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    Issue.record("weights are asked for")
  }
  func release(_ part: WeightPart) {}
  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    preconditionFailure("weights are read")
  }
}
