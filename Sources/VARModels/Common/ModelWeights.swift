import CVARKernels
import VARKernels
import VQ4Format

/// A vector of f32 in the weights.
struct VectorReference {
  let tensor: Int
}

/// A linear layer or convolution in the weights.
struct LinearReference {
  let weight: Int
  let bias: Int?
}

/// The tensors of a model, found by name once and checked against the configuration.
package final class ModelWeights {
  private(set) var source: any WeightSource
  private let directory: any TensorDirectory
  private let blocks: WeightBlocks?
  private let specifications: [String: TensorSpecification]
  private let groups: [TensorGroup: Int]
  private var isCancelled: () -> Bool = { false }

  /// - Parameter tensors: what the configuration asks for; a component none of whose tensors is in the file counts as
  ///   left out by the recipe.
  /// - Throws: `ModelError` that names the tensor.
  package init(
    source: any WeightSource, tensors: [TensorSpecification]
  ) throws(ModelError) {
    self.source = source
    let directory = source.directory
    var specifications: [String: TensorSpecification] = [:]
    var groups: [TensorGroup: Int] = [:]
    for component in TensorSpecification.Component.allCases {
      let members = tensors.filter { $0.component == component }
      let isPresent = members.contains { directory.tensorIndex(named: $0.name) != nil }
      guard isPresent else { continue }
      for member in members {
        guard let index = directory.tensorIndex(named: member.name) else {
          throw ModelError(
            .missingTensor, "tensor \"\(member.name)\" is missing; convert the model again")
        }
        try Self.check(directory.description(ofTensor: index), against: member)
        specifications[member.name] = member
        let group = directory.group(ofTensor: index)
        guard groups.updateValue(group, forKey: member.group) ?? group == group else {
          throw ModelError(
            .mismatchedTensor,
            "tensor \"\(member.name)\" lies apart from the other tensors of \(member.group.name); "
              + "convert the model again")
        }
      }
    }
    self.directory = directory
    blocks = source.blocks
    self.specifications = specifications
    self.groups = groups
  }

  /// Says that a request starts a phase, and where its weights are meanwhile.
  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (_ done: Int, _ total: Int) -> Void
  ) throws(ModelError) {
    isCancelled = request.isCancelled
    try source.begin(plan, for: request, progress: progress)
  }

  package func end(_ request: WeightRequest) { source.end(request) }

  /// Takes the weights of the following phases from another source of the same file. What the one before kept for this
  /// request alone goes.
  package func use(
    _ residency: WeightResidency, of sources: WeightSources, for request: WeightRequest
  ) {
    let source = sources.source(residency)
    guard source !== self.source else { return }
    self.source.end(request)
    self.source = source
    sources.releaseUnused()
  }

  private static func check(
    _ found: VQ4TensorDescription, against expected: TensorSpecification
  ) throws(ModelError) {
    guard found.shape == expected.shape else {
      throw ModelError(
        .mismatchedTensor,
        "tensor \"\(expected.name)\" has shape \(found.shape), the configuration asks for "
          + "\(expected.shape)")
    }
    let layout: VQ4Layout =
      switch expected.kind {
      case .matrix, .convolution: .tiles
      case .table: .table
      case .vector: .vector
      }
    let fits =
      switch expected.kind {
      // The kernel's 9 or 1 places are odd, so a group that divides a row lies within one of them.
      case .matrix, .table, .convolution: true
      case .vector: found.elementType == .f32
      }
    guard found.layout == layout, fits else {
      throw ModelError(
        .mismatchedTensor,
        "tensor \"\(expected.name)\" is stored as \(found.elementType) in layout \(found.layout), "
          + "which its place in the network cannot use")
    }
  }

  /// Whether the file holds a component.
  package func has(_ component: TensorSpecification.Component) -> Bool {
    specifications.values.contains { $0.component == component }
  }

  /// Whether any matrix of a component is in int4 or int8.
  package func isQuantized(_ component: TensorSpecification.Component) -> Bool {
    specifications.values.contains { tensor in
      guard tensor.component == component, let index = directory.tensorIndex(named: tensor.name)
      else {
        return false
      }
      return directory.description(ofTensor: index).elementType.isQuantized
    }
  }

  /// What the file holds of a component.
  func tensors(of component: TensorSpecification.Component) -> [VQ4TensorDescription] {
    specifications.values.filter { $0.component == component }.compactMap {
      directory.tensorIndex(named: $0.name).map(directory.description(ofTensor:))
    }
  }

  func vector(_ name: String) -> VectorReference { VectorReference(tensor: index(name)) }

  /// The layer of `name.weight` and, where the table has one, `name.bias`.
  func linear(_ name: String) -> LinearReference {
    LinearReference(
      weight: index(name + ".weight"),
      bias: specifications[name + ".bias"] == nil ? nil : index(name + ".bias"))
  }

  func index(_ name: String) -> Int {
    guard specifications[name] != nil, let index = directory.tensorIndex(named: name) else {
      preconditionFailure("\(name) is not in the weight table")
    }
    return index
  }

  /// Runs `body` while the weights of a group can be read, without those that are read apart.
  func with<Result>(
    _ group: TensorGroup, body: () throws(ModelError) -> Result
  ) throws(ModelError) -> Result {
    try with(.group(number(of: group)), body)
  }

  /// Runs `body` while the weights of a group stay where they are, however often they are asked for meanwhile.
  package func holding(
    _ group: TensorGroup, apart: Bool = false, body: () throws -> Void
  ) throws {
    let part = apart ? WeightPart.apart(number(of: group)) : .group(number(of: group))
    try source.acquire(part, isCancelled: isCancelled)
    defer { source.release(part) }
    try body()
  }

  /// Runs `body` while the weights of a group that are read apart from the others, and those of another group, can be
  /// read.
  func with<Result>(
    apart group: TensorGroup, _ other: TensorGroup, body: () throws(ModelError) -> Result
  ) throws(ModelError) -> Result {
    try with(.apart(number(of: group))) { () throws(ModelError) in try with(other, body: body) }
  }

  private func with<Result>(
    _ part: WeightPart, _ body: () throws(ModelError) -> Result
  ) throws(ModelError) -> Result {
    try source.acquire(part, isCancelled: isCancelled)
    defer { source.release(part) }
    return try body()
  }

  /// Runs `body` for one run of a large matrix's rows after the other.
  func forEachSlab(
    of tensor: Int, body: (_ rows: Range<Int>, _ layer: Linear) -> Void
  ) throws(ModelError) {
    let slabs = blocks?.slabRows(ofTensor: tensor) ?? []
    guard !slabs.isEmpty else {
      return try with(.group(directory.group(ofTensor: tensor))) { () throws(ModelError) in
        let rows = directory.description(ofTensor: tensor).rows
        body(0..<rows, Linear(matrix: matrix(tensor), site: LinearSite(tensor: tensor)))
      }
    }
    for index in slabs.indices {
      try with(WeightPart.slab(tensor: tensor, index: index)) { () throws(ModelError) in
        body(slabs[index], slab(index, of: tensor, rows: slabs[index]))
      }
    }
  }

  /// Some rows of a large matrix as a layer.
  private func slab(_ index: Int, of tensor: Int, rows: Range<Int>) -> Linear {
    var matrix = Self.matrix(tensor, in: source, slab: index)
    matrix.rows = Int32(rows.count)
    // The slabs of a layer have one input, which is seen with the first of them.
    return Linear(matrix: matrix, site: index == 0 ? LinearSite(tensor: tensor) : nil)
  }

  /// Runs `body` for each matrix of a pass, in its order; for a large one once for each run of its rows. The phase of
  /// the pass has begun.
  package func forEachMatrix(
    of pass: WeightPass,
    body: (_ name: String, _ rows: Range<Int>, _ layer: Linear) throws -> Void
  ) throws {
    var names: [WeightPart: [String]] = [:]
    for (name, tensor) in specifications where tensor.kind == .matrix {
      for part in blocks?.parts[index(name)] ?? [] { names[part, default: []].append(name) }
    }
    for part in pass.parts {
      try source.acquire(part, isCancelled: isCancelled)
      defer { source.release(part) }
      for name in names[part, default: []].sorted() {
        if case .slab(let tensor, let index) = part {
          let rows = blocks?.slabRows(ofTensor: tensor)[index] ?? 0..<0
          try body(name, rows, slab(index, of: tensor, rows: rows))
        } else {
          let layer = layer(linear(String(name.dropLast(".weight".count))))
          try body(name, 0..<layer.rows, layer)
        }
      }
    }
  }

  private func number(of group: TensorGroup) -> Int {
    guard let number = groups[group] else { preconditionFailure("no group \(group.name)") }
    return number
  }

  // Valid while the tensor's group is acquired.

  func values(_ reference: VectorReference) -> UnsafePointer<Float> {
    source.stream(reference.tensor, .codes).assumingMemoryBound(to: Float.self)
  }

  func layer(_ reference: LinearReference) -> Linear {
    Linear(
      matrix: matrix(reference.weight),
      bias: reference.bias.map { values(VectorReference(tensor: $0)) },
      site: LinearSite(tensor: reference.weight))
  }

  func matrix(_ tensor: Int) -> cvar_matrix { Self.matrix(tensor, in: source) }

  /// - Parameter slab: a slab whose streams the matrix gets instead of the whole ones.
  package static func matrix(
    _ tensor: Int, in source: any WeightSource, slab: Int? = nil
  ) -> cvar_matrix {
    matrix(source.directory.description(ofTensor: tensor)) { role in
      source.stream(tensor, role, slab: slab)
    }
  }

  static func matrix(
    _ description: VQ4TensorDescription, stream: (VQ4StreamRole) -> UnsafeRawPointer
  ) -> cvar_matrix {
    var matrix = cvar_matrix()
    matrix.type = Int32(description.elementType.rawValue)
    matrix.rows = Int32(description.rows)
    matrix.cols = Int32(description.cols)
    matrix.group_size = Int32(description.groupSize)
    matrix.codes = stream(.codes)
    if description.elementType == .int8 || description.elementType == .int4 {
      matrix.scales = stream(.scales)
    }
    if description.elementType == .int4 {
      matrix.superscales = stream(.superscales)
      withUnsafeMutableBytes(of: &matrix.codebook) { codebook in
        for (index, entry) in description.codebook.enumerated() {
          codebook[index] = UInt8(bitPattern: entry)
        }
      }
    }
    return matrix
  }
}
