/// What a tensor of a `.vq4` file is: its name, logical shape, place and role.
///
/// The weight tables of the networks list these in the order of execution; the converter makes each of them from the
/// checkpoint and the runtime looks each of them up.
package struct TensorSpecification: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// A linear layer's weight `[out, in]`, stored in tiles.
    case matrix
    /// An embedding table `[rows, cols]` whose rows are gathered, stored row-major.
    case table
    /// Norms, biases and folded constants of any rank, always f32, stored as they are.
    case vector
    /// A convolution `[out, kernelHeight, kernelWidth, in]`, stored in tiles of `out`.
    case convolution
  }

  /// The part of the model that a recipe may name.
  package enum Component: String, Sendable, CaseIterable {
    case vision
    case llmEmbedding = "llm.embedding"
    case llm
    case llmHead = "llm.head"
    case generator
    case projector
    case vaeDecoder = "vae.decoder"
    case vaeEncoder = "vae.encoder"
  }

  /// How the networks reach a tensor; it decides what is in memory at the same time.
  package enum Access: Sendable, Equatable {
    /// With the other tensors of its group.
    case withGroup
    /// At another time than the rest of its group.
    case apart
    /// Some row tiles after the other: a matrix that is far larger than a layer.
    case inSlabs
    /// Single rows.
    case byRow
    /// Both: the head of a model that is its embedding too.
    case inSlabsAndByRow

    var isByRow: Bool { self == .byRow || self == .inSlabsAndByRow }
  }

  package let name: String
  package let shape: [Int]
  package let kind: Kind
  package let access: Access
  package let group: TensorGroup
  package let component: Component
  /// Index of the layer or block inside the component, where there is one.
  package let layer: Int?
  /// Name of the weight whose input a matrix takes: its own, or that of one before it that takes the same.
  package fileprivate(set) var input: String
}

/// Collects the tensors of one component.
struct TensorTable {
  let component: TensorSpecification.Component
  private(set) var tensors: [TensorSpecification] = []
  var group: TensorGroup
  var layer: Int?

  init(_ component: TensorSpecification.Component, _ group: TensorGroup) {
    self.component = component
    self.group = group
  }

  mutating func add(
    _ name: String, _ shape: [Int], _ kind: TensorSpecification.Kind,
    _ access: TensorSpecification.Access = .withGroup
  ) {
    tensors.append(
      TensorSpecification(
        name: name, shape: shape, kind: kind, access: access, group: group, component: component,
        layer: layer, input: name))
  }

  mutating func vector(_ name: String, _ shape: Int...) { add(name, shape, .vector) }

  /// `name.weight` `[rows, cols]` and, where asked for, `name.bias` `[rows]`.
  mutating func linear(
    _ name: String, _ rows: Int, _ cols: Int, bias: Bool = true,
    _ access: TensorSpecification.Access = .withGroup
  ) {
    add(name + ".weight", [rows, cols], .matrix, access)
    if bias { add(name + ".bias", [rows], .vector, access) }
  }

  /// Says that layers take the same input as a layer before them.
  mutating func share(inputOf first: String, with others: String...) {
    for index in tensors.indices
    where others.contains(where: { $0 + ".weight" == tensors[index].name }) {
      tensors[index].input = first + ".weight"
    }
  }

  mutating func norm(_ name: String, _ size: Int) {
    vector(name + ".weight", size)
    vector(name + ".bias", size)
  }

  mutating func convolution(_ name: String, _ out: Int, _ input: Int, kernelSize: Int) {
    add(name + ".conv.weight", [out, kernelSize, kernelSize, input], .convolution)
    vector(name + ".conv.bias", out)
  }
}
