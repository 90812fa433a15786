import VARModels
import VARQuantization
import VQ4Format

/// Every tensor of a file before it is written: rule, precision, bytes; and what is folded and dropped.
package struct ConversionPlan: Sendable {
  /// A tensor of the file.
  package struct Row: Sendable {
    package let name: String
    package let group: String
    package let component: String
    package let shape: [Int]
    package let precision: Precision
    /// Inputs that share a scale; 0 for floats.
    package let groupSize: Int
    /// Name of the weight whose input it takes.
    let input: String
    /// How it is rounded where its inputs are known.
    package let rounding: Rounding
    /// Largest magnitude of the entries of an int4 codebook.
    let codebookRange: Int?
    /// Pattern of the deciding rule; empty for norms, biases and constants, which are always f32.
    package let rule: String
    /// Index of the deciding rule, or nil.
    let ruleIndex: Int?
    /// Order of the elements in the file.
    let layout: VQ4Layout
    /// Decoded bytes of each stream: codes, scales, superscales.
    let streamByteCounts: [Int]
    /// How it is made and why its precision differs from the rule's, where either is so.
    package let note: String

    /// Decoded bytes of all streams.
    package var byteCount: Int { streamByteCounts.reduce(0, +) }
    package var elementCount: Int { shape.reduce(1, *) }
    /// Inputs of a matrix, or all elements of a vector.
    var cols: Int { shape.dropFirst().reduce(1, *) }
  }

  /// A tensor of the checkpoint that is folded or dropped, and into what or why.
  package struct Omission: Sendable, Equatable {
    package let name: String
    package let reason: String
    package let byteCount: Int
  }

  /// In the order of execution.
  package let rows: [Row]
  /// Tensors of the checkpoint that go into constants, by name.
  package let folded: [Omission]
  /// Tensors of the model without any effect, by name.
  package let dropped: [Omission]
  /// Tensors of the checkpoint that no part of the model needs, by name.
  package let skipped: [Omission]
  package let recipeName: String

  package var elementCount: Int { rows.reduce(0) { $0 + $1.elementCount } }

  /// Place of the bias that belongs to a weight and is written after it; nil where it has none.
  func biasIndex(of weight: Row) -> Int? {
    guard let base = weight.name.base(".weight"),
      let place = rows.firstIndex(where: { $0.name == weight.name }),
      let bias = rows.firstIndex(where: { $0.name == base + ".bias" }), bias > place
    else { return nil }
    return bias
  }
  /// Decoded bytes of all tensors; the file is smaller where streams are compressed, and has some padding.
  package var byteCount: Int { rows.reduce(0) { $0 + $1.byteCount } }

  /// Bytes per component, in the order of execution.
  package var componentByteCounts: [(component: String, byteCount: Int)] {
    totals { $0.component }
  }

  /// Bytes per precision, in the order in which they appear.
  package var precisionByteCounts: [(precision: String, byteCount: Int)] {
    totals { $0.precision.rawValue }.map { ($0.0, $0.1) }
  }

  private func totals(_ key: (Row) -> String) -> [(component: String, byteCount: Int)] {
    var totals: [(component: String, byteCount: Int)] = []
    for row in rows {
      let name = key(row)
      if let index = totals.firstIndex(where: { $0.component == name }) {
        totals[index].byteCount += row.byteCount
      } else {
        totals.append((name, row.byteCount))
      }
    }
    return totals
  }
}

extension ConversionPlan {
  init(mapping: SourceMapping, recipe: Recipe, sizes: [String: Int]) throws(QuantizationError) {
    let weights = mapping.entries.filter { $0.specification.kind != .vector }
    let decisions = try recipe.decisions(
      for: weights.map { Recipe.Subject($0.specification) })
    var next = 0
    rows = mapping.entries.map { entry in
      if entry.specification.kind == .vector { return Row(vector: entry) }
      defer { next += 1 }
      return Row(weight: entry, decision: decisions[next])
    }
    recipeName = recipe.name
    func listed(_ omissions: [SourceMapping.Omission]) -> [Omission] {
      omissions.map {
        Omission(name: $0.name, reason: $0.reason, byteCount: sizes[$0.name] ?? 0)
      }
    }
    folded = listed(mapping.folded)
    dropped = listed(mapping.dropped)
    skipped = listed(
      mapping.skipped.map {
        SourceMapping.Omission(name: $0, reason: "no part of the model needs it")
      })
  }
}

extension ConversionPlan.Row {
  fileprivate init(vector entry: SourceMapping.Entry) {
    self.init(entry, decision: nil, precision: .f32, groupSize: 0, note: entry.note)
  }

  fileprivate init(weight entry: SourceMapping.Entry, decision: Recipe.Decision) {
    let specification = entry.specification
    let cols = specification.shape.dropFirst().reduce(1, *)
    let (precision, groupSize) = decision.storage(cols: cols)
    var notes = entry.note.isEmpty ? [] : [entry.note]
    if precision != decision.precision {
      notes.append("f16: no group divides \(cols)")
    } else if precision.isInteger, groupSize != decision.groupSize {
      notes.append("group \(groupSize): \(decision.groupSize) does not divide \(cols)")
    }
    self.init(
      entry, decision: decision, precision: precision, groupSize: groupSize,
      note: notes.joined(separator: "; "))
  }

  private init(
    _ entry: SourceMapping.Entry, decision: Recipe.Decision?, precision: Precision,
    groupSize: Int, note: String
  ) {
    name = entry.specification.name
    shape = entry.specification.shape
    layout =
      switch entry.specification.kind {
      case .vector: .vector
      case .table: .table
      case .matrix, .convolution: .tiles
      }
    if layout == .vector {
      streamByteCounts = [shape.reduce(4, *), 0, 0]
    } else {
      let counts = WeightFormat(
        precision: precision, layout: layout == .table ? .table : .tiles, rows: shape[0],
        cols: shape.dropFirst().reduce(1, *), groupSize: groupSize
      ).byteCounts
      streamByteCounts = [counts.codes, counts.scales, counts.superscales]
    }
    group = entry.specification.group.name
    component = entry.specification.component.rawValue
    input = entry.specification.input
    rounding = decision?.rounding ?? .nearest
    codebookRange = decision?.codebookRange
    rule = decision?.ruleText ?? ""
    ruleIndex = decision?.rule
    self.precision = precision
    self.groupSize = groupSize
    self.note = note
  }
}

extension String {
  /// What stands before an ending; nil for other texts.
  fileprivate func base(_ ending: String) -> String? {
    hasSuffix(ending) ? String(dropLast(ending.count)) : nil
  }
}
