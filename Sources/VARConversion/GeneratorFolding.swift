import CVARKernels
import VARCheckpoint
import VARModels

/// The generator's constants: all conditioning vectors are the same for every prompt (MODEL 9.2).
struct GeneratorFolding: Sendable {
  private let width: Int
  private let numHeads: Int
  private let blocks: BlockNames
  private let positionStart: CheckpointTensor
  /// The shared adaLN's output `[row][6][width]` without any block's offset; row 0 conditional, row 1 not.
  private let sharedModulation: [[Float]]
  private let headModulation: [[Float]]
  /// The conditioning vectors `[row][width]`.
  let conditions: [[Float]]

  /// Reads the conditioning network and evaluates it in double precision.
  init(
    _ reader: inout TensorReader, configuration: VARGPTConfiguration, blocks: BlockNames
  ) throws {
    let generator = configuration.generator
    let width = generator.embedDim
    self.width = width
    self.blocks = blocks
    numHeads = generator.numHeads
    let start = configuration.specialTokens.imageGenStart
    let targets = "the generator's start tokens and adaLN constants"
    func take(
      _ name: String, _ shape: [Int], _ reader: inout TensorReader
    ) throws -> CheckpointTensor {
      try reader.folded(name, shape: shape, into: targets)
    }
    let sos = try take("sos_embedding.weight", [start + 1, width], &reader)
    let uncond = try reader.tensor(
      "vargpt_gen.cfg_uncond", shape: [generator.textMaxLength, width])
    let norm = try take("vargpt_gen.text_norm.weight", [width], &reader).floats()
    let pool = "vargpt_gen.text_proj_for_sos.ca."
    let value = Affine(
      weight: try take(pool + "mat_kv.weight", [2 * width, width], &reader), firstRow: width,
      bias: try take(pool + "v_bias", [width], &reader).floats())
    let projection = Affine(
      weight: try take(pool + "proj.weight", [width, width], &reader),
      bias: try take(pool + "proj.bias", [width], &reader).floats())
    let shared = Affine(
      weight: try take("vargpt_gen.shared_ada_lin.1.weight", [6 * width, width], &reader),
      bias: try take("vargpt_gen.shared_ada_lin.1.bias", [6 * width], &reader).floats())
    let head = Affine(
      weight: try take("vargpt_gen.head_nm.ada_lin.1.weight", [2 * width, width], &reader),
      bias: try take("vargpt_gen.head_nm.ada_lin.1.bias", [2 * width], &reader).floats())
    positionStart = try take("vargpt_gen.pos_start", [1, 1, width], &reader)

    let inputs = [try Self.row(start, of: sos), try Self.row(0, of: uncond)]
    conditions = try inputs.map { input in
      try projection.apply(value.apply(Self.rmsNorm(input, weight: norm)))
    }
    let activated = conditions.map { $0.map { $0 * cvar_sigmoid($0) } }
    sharedModulation = try activated.map { try shared.apply($0) }
    headModulation = try activated.map { try head.apply($0) }
  }

  /// How a folded tensor of the generator is made; nil for a tensor that is not folded.
  func source(
    of specification: TensorSpecification, _ reader: inout TensorReader
  ) throws -> (source: TensorSource, note: String)? {
    guard specification.component == .generator else { return nil }
    let name = specification.name
    switch name {
    case "vargpt_gen.start_tokens":
      let start = try positionStart.floats()
      let tokens = conditions.flatMap { zip($0, start).map { $0 + $1 } }
      return (.values { tokens }, "conditioning vectors + pos_start")
    case "vargpt_gen.head_ada":
      let scaleFirst = headModulation.flatMap { row in
        row[..<width].map { 1 + $0 } + row[width...]
      }
      return (.values { scaleFirst }, "head adaLN of both branches")
    default: break
    }
    guard let layer = specification.layer else { return nil }
    let prefix = blocks.sourcePrefix(layer)
    let target = "vargpt_gen.blocks.\(layer)"
    switch name.dropFirst(target.count) {
    case ".ada":
      let offset = try reader.folded(prefix + "ada_gss", shape: [1, 1, 6, width], into: name)
      let modulation = sharedModulation
      let width = width
      return (
        .values { () throws(CheckpointError) in
          Self.blockModulation(modulation, offset: try offset.floats(), width: width)
        },
        "adaLN of both branches"
      )
    case ".sa.head_scale":
      let logarithm = try reader.folded(
        prefix + "sa.scale_mul_1H11", shape: [1, numHeads, 1, 1], into: name)
      return (
        .values { () throws(CheckpointError) in
          try logarithm.floats().map { cvar_exp(min($0, Self.largestLogScale)) }
        },
        "exp of the limited logarithm"
      )
    case ".sa.mat_qkv.bias":
      return try joined(prefix + "sa.", ["q_bias", "zero_k_bias", "v_bias"], name, &reader)
    case ".ca.mat_kv.bias":
      return try joined(prefix + "ca.", ["zero_k_bias", "v_bias"], name, &reader)
    default: return nil
    }
  }

  private func joined(
    _ prefix: String, _ parts: [String], _ target: String, _ reader: inout TensorReader
  ) throws -> (source: TensorSource, note: String) {
    var tensors: [CheckpointTensor] = []
    for part in parts {
      tensors.append(try reader.folded(prefix + part, shape: [width], into: target))
    }
    let all = tensors
    return (
      .values { () throws(CheckpointError) in
        var values: [Float] = []
        for tensor in all { values += try tensor.floats() }
        return values
      }, parts.joined(separator: " + ")
    )
  }

  /// ln 100, the limit of the attention scale's logarithm.
  private static let largestLogScale: Float = 4.605_170_2

  /// `[row][6][width]`: the block's offset plus the shared part; the two scales are stored as 1 + s.
  private static func blockModulation(
    _ shared: [[Float]], offset: [Float], width: Int
  ) -> [Float] {
    typealias Part = ScaleTransformerWeights.Modulation
    return shared.flatMap { row in
      zip(row, offset).enumerated().map { index, pair in
        let sum = pair.1 + pair.0
        let part = Part(rawValue: index / width)
        return part == .attentionFactor || part == .feedForwardFactor ? 1 + sum : sum
      }
    }
  }

  private static func row(_ index: Int, of tensor: CheckpointTensor) throws -> [Float] {
    var row = [Float](repeating: 0, count: tensor.shape[1])
    try row.withUnsafeMutableBufferPointer { try tensor.read(from: index * $0.count, into: $0) }
    return row
  }

  /// `x / sqrt(mean(x^2) + 1e-6) * weight`.
  private static func rmsNorm(_ x: [Float], weight: [Float]) -> [Float] {
    var sum = 0.0
    for value in x { sum += Double(value) * Double(value) }
    let inverse = 1 / (sum / Double(x.count) + 1e-6).squareRoot()
    return zip(x, weight).map { Float(Double($0) * inverse * Double($1)) }
  }
}

/// `W x + b` over rows of a checkpoint tensor, summed in double precision.
private struct Affine {
  let weight: CheckpointTensor
  var firstRow = 0
  let bias: [Float]

  func apply(_ x: [Float]) throws -> [Float] {
    let rows = try TensorRows(weight)
    let cols = rows.cols
    var row = [Float](repeating: 0, count: cols)
    var result: [Float] = []
    result.reserveCapacity(bias.count)
    for (index, bias) in bias.enumerated() {
      try row.withUnsafeMutableBufferPointer {
        try rows.read(firstRow: firstRow + index, rowCount: 1, into: $0.baseAddress!)
      }
      var sum = 0.0
      for col in 0..<cols { sum += Double(row[col]) * Double(x[col]) }
      result.append(Float(sum + Double(bias)))
    }
    return result
  }
}
