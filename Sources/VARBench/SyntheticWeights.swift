import CVARKernels
import VARModels
import VQ4Format

/// Weights of any shape, made from a seed: no checkpoint is needed to measure speed.
///
/// Every tensor has its own memory, so that reading them costs what reading real ones does. Values are random with the
/// spread of trained weights: `1 / sqrt(cols)` for a matrix, norms around 1, small biases.
final class SyntheticWeights: WeightSource, TensorDirectory, @unchecked Sendable {
  private let descriptions: [VQ4TensorDescription]
  private let groups: [Int]
  private let indices: [String: Int]
  private let memory: PageMemory
  /// Place of each stream in the memory, by tensor and role.
  private let offsets: [Int]

  /// - Parameter tensors: what to make, with the group of each.
  init(
    _ tensors: [(description: VQ4TensorDescription, group: Int)], seed: UInt64, pages: PageKind,
    temporaryFolder: String
  ) throws(BenchmarkError) {
    descriptions = tensors.map(\.description)
    groups = tensors.map(\.group)
    indices = Dictionary(
      tensors.enumerated().map { ($1.description.name, $0) }, uniquingKeysWith: { $1 })
    var offsets: [Int] = []
    var next = 0
    let alignment = 4096
    for description in descriptions {
      for role in VQ4StreamRole.allCases {
        offsets.append(next)
        next += (description.byteCount(of: role) + alignment - 1) / alignment * alignment
      }
    }
    self.offsets = offsets
    memory = try PageMemory(byteCount: next, kind: pages, temporaryFolder: temporaryFolder)
    var maker = SyntheticTensorMaker(seed: seed)
    for (tensor, description) in descriptions.enumerated() {
      for role in VQ4StreamRole.allCases where description.byteCount(of: role) > 0 {
        maker.fill(memory.base + offsets[slot(tensor, role)], description, role)
      }
    }
  }

  var tensorCount: Int { descriptions.count }
  func tensorIndex(named name: String) -> Int? { indices[name] }
  func description(ofTensor tensor: Int) -> VQ4TensorDescription { descriptions[tensor] }
  func group(ofTensor tensor: Int) -> Int { groups[tensor] }
  var directory: any TensorDirectory { self }
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {}
  func release(_ part: WeightPart) {}

  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    UnsafeRawPointer(memory.base + offsets[slot(tensor, role)])
  }

  private func slot(_ tensor: Int, _ role: VQ4StreamRole) -> Int {
    tensor * VQ4StreamRole.allCases.count + Int(role.rawValue)
  }

  /// All streams in one piece.
  var block: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: memory.base, count: memory.byteCount)
  }

  /// Bytes of all streams of the tensors that fulfil a condition.
  func byteCount(where condition: (VQ4TensorDescription) -> Bool) -> Int {
    descriptions.reduce(0) { condition($1) ? $0 + $1.byteCount : $0 }
  }

  /// The widest input of a quantized matrix.
  var largestQuantizedInput: Int {
    descriptions.reduce(16) {
      $1.elementType.isQuantized && $1.layout == .tiles ? max($0, $1.cols) : $0
    }
  }
}

/// Fills streams with random codes and fitting scales.
private struct SyntheticTensorMaker {
  private let bytes: [UInt8]
  private let signedBytes: [Int8]
  private let groupScales: [Int8]
  private var random: RandomBytes

  init(seed: UInt64) {
    bytes = RandomBytes.block(seed: seed)
    signedBytes = bytes.map { max(Int8(bitPattern: $0), -127) }
    groupScales = bytes.map { Int8(32 + $0 % 65) }
    random = RandomBytes(seed: seed &+ 1)
  }

  mutating func fill(
    _ stream: UnsafeMutableRawPointer, _ description: VQ4TensorDescription, _ role: VQ4StreamRole
  ) {
    let byteCount = description.byteCount(of: role)
    let spread = 1 / Float(description.cols).squareRoot()
    switch (role, description.elementType) {
    case (.codes, .int8): stream.fill(byteCount: byteCount, repeating: signedBytes)
    case (.codes, .int4): stream.fill(byteCount: byteCount, repeating: bytes)
    case (.codes, .f32) where description.layout == .vector:
      fill(vector: stream.assumingMemoryBound(to: Float.self), description)
    case (.codes, .f32): stream.fill(byteCount: byteCount, repeating: uniform(spread))
    case (.codes, .f16):
      stream.fill(byteCount: byteCount, repeating: uniform(spread).map(cvar_f16_from_f32))
    case (.codes, .bf16):
      stream.fill(byteCount: byteCount, repeating: uniform(spread).map(cvar_bf16_from_f32))
    case (.scales, .int4): stream.fill(byteCount: byteCount, repeating: groupScales)
    case (.scales, _):
      // Uniform bytes have a deviation of 73.
      let scale = spread / 73 / Float(CVAR_INT8_SCALE_UNIT)
      stream.fill(byteCount: byteCount, repeating: halves(around: scale))
    case (.superscales, _):
      // A codebook has a deviation of about half its largest entry, group scales are about 64.
      let deviation = Float(description.codebook.map { abs(Int($0)) }.max() ?? 0) * 0.55
      let scale = spread / (deviation * 64) / Float(CVAR_INT4_SCALE_UNIT)
      stream.fill(byteCount: byteCount, repeating: halves(around: scale))
    }
  }

  private mutating func uniform(_ deviation: Float) -> [Float] {
    (0..<65_536).map { _ in random.signed() * deviation * 1.732 }
  }

  private mutating func halves(around value: Float) -> [UInt16] {
    (0..<4096).map { _ in cvar_f16_from_f32(value * (1 + 0.25 * random.signed())) }
  }

  private mutating func fill(
    vector: UnsafeMutablePointer<Float>, _ description: VQ4TensorDescription
  ) {
    let count = description.elementCount
    if description.name.hasSuffix("inverse_frequencies") {
      for index in 0..<count {
        vector[index] = Float(cvar_pow(10_000, -Double(index) / Double(count)))
      }
    } else {
      let mean: Float = description.name.hasSuffix(".bias") ? 0 : 1
      for index in 0..<count { vector[index] = mean + 0.1 * random.signed() }
    }
  }
}
