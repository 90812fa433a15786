import VARJSON
import VARKernels

/// What came of a check.
package struct CanaryReport: Sendable {
  /// Whose fault it is where a layer gives other bits.
  package enum State: String, Sendable {
    /// The bits are those that were kept.
    case asMade
    /// Plain kernels give the bits that were kept, the fast ones do not.
    case wrongKernels
    /// All kernels give other bits.
    case otherBits
  }

  /// What was found of a layer's output.
  package struct Layer: Sendable {
    package let name: String
    package let state: State
    /// From full precision: now, and when the canaries were taken.
    package let difference: Difference
    package let errorAsMade: Double
    /// Of the generator's head: bits, and those that are the full precision's.
    package let bits: (count: Int, equalCount: Int)?

    init(_ finding: CanaryWatcher.Finding, _ output: Canaries.Output, state: State) {
      name = finding.name
      self.state = state
      difference = finding.difference
      errorAsMade = Double(output.error)
      bits = finding.bits
    }
  }

  package enum Verdict: String, Sendable {
    /// Digests and errors are those that were kept.
    case asDesigned = "as designed"
    /// Tensors are not those that the canaries were taken from.
    case otherTensors = "other tensors"
    /// The fast kernels do not give what the plain ones give.
    case wrongKernels = "wrong kernels"
    /// The tensors are the right ones, and no kernels give what was kept.
    case otherProgram = "other program"
  }

  /// The program that took the canaries.
  package let converter: String
  /// The kernels that were checked.
  package let instructionSet: InstructionSet
  /// In the order of a run.
  package let layers: [Layer]
  /// Names of tensors that are not those that the canaries were taken from.
  package let otherTensors: [String]

  package var verdict: Verdict {
    if layers.contains(where: { $0.state == .wrongKernels }) { return .wrongKernels }
    if !otherTensors.isEmpty { return .otherTensors }
    return layers.allSatisfy { $0.state == .asMade } ? .asDesigned : .otherProgram
  }

  /// Names of the layers in a state.
  package func names(_ state: State) -> [String] {
    layers.filter { $0.state == state }.map(\.name)
  }

  /// Bits of the small drawing, and those that are the full precision's.
  package var bits: (count: Int, equalCount: Int) {
    layers.reduce((0, 0)) { ($0.0 + ($1.bits?.count ?? 0), $0.1 + ($1.bits?.equalCount ?? 0)) }
  }

  package var members: [(String, JSONValue)] {
    let layers = layers.map { layer in
      JSONValue.object(
        JSONObject([
          ("name", .string(layer.name)), ("state", .string(layer.state.rawValue)),
          ("relative_error", Self.number(layer.difference.error)),
          ("relative_error_as_made", Self.number(layer.errorAsMade)),
          ("cosine", Self.number(layer.difference.cosine)),
        ]))
    }
    return [
      ("verdict", .string(verdict.rawValue)), ("converter", .string(converter)),
      ("isa", .string(instructionSet.rawValue)),
      ("bits", .integer(bits.count)), ("equal_bits", .integer(bits.equalCount)),
      ("other_tensors", .array(otherTensors.map { .string($0) })),
      ("layers", .array(layers)),
    ]
  }

  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value) : .null
  }
}
