/// How a weight's elements are stored.
package enum Precision: String, Sendable, CaseIterable {
  case int4, int8, f16, bf16, f32

  /// Inputs that may share a scale; empty for floats.
  package var allowedGroupSizes: [Int] {
    switch self {
    case .int4: [16, 32, 64, 128]
    case .int8: [32, 64, 128]
    case .f16, .bf16, .f32: []
    }
  }

  /// The group size where a recipe names none; 0 for floats.
  package var defaultGroupSize: Int {
    switch self {
    case .int4: 32
    case .int8: 64
    case .f16, .bf16, .f32: 0
    }
  }

  package var isInteger: Bool { !allowedGroupSizes.isEmpty }

  /// The largest allowed group of at most `wanted` inputs that divides a row, or nil where none does.
  package func groupSize(wanted: Int, cols: Int) -> Int? {
    let least = allowedGroupSizes.first ?? 0
    return allowedGroupSizes.last { $0 <= max(wanted, least) && cols % $0 == 0 }
  }
}
