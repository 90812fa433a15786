import CVARKernels

/// Rows of numbers, each number in f16 and each row with a power of two of its own: the largest of a row has eleven
/// significant bits, whatever its size.
package struct StoredRows: Sendable, Equatable {
  /// Values of a row.
  package let columns: Int
  /// The power of two that the values of each row are multiplied by.
  let exponents: [Int8]
  /// f16, `[count, columns]`.
  let halves: [UInt16]

  /// Powers of two that leave every value in the range of f32.
  static let exponentRange: ClosedRange<Int8> = -126...112
  /// The largest value of a row lies in `2^14 ..< 2^15`.
  private static let largestExponent = 14

  /// Number of rows.
  package var count: Int { exponents.count }

  init(columns: Int, exponents: [Int8], halves: [UInt16]) {
    self.columns = columns
    self.exponents = exponents
    self.halves = halves
  }

  /// Rounds values, `[count, columns]`.
  package init(_ values: [Float], columns: Int) {
    precondition(columns > 0 && values.count % columns == 0, "whole rows")
    self.columns = columns
    var exponents: [Int8] = []
    var halves: [UInt16] = []
    halves.reserveCapacity(values.count)
    for first in stride(from: 0, to: values.count, by: columns) {
      let row = values[first..<first + columns]
      let largest = row.reduce(0) { max($0, $1.magnitude) }
      let range = Int(Self.exponentRange.lowerBound)...Int(Self.exponentRange.upperBound)
      let exponent =
        largest > 0 && largest.isFinite
        ? min(max(Int(largest.exponent) - Self.largestExponent, range.lowerBound), range.upperBound)
        : 0
      exponents.append(Int8(exponent))
      let factor = Self.power(-exponent)
      for value in row { halves.append(cvar_f16_from_f32(value * factor)) }
    }
    self.exponents = exponents
    self.halves = halves
  }

  private static func power(_ exponent: Int) -> Float {
    Float(sign: .plus, exponent: exponent, significand: 1)
  }

  /// The values as they are kept, `[count, columns]`.
  package var values: [Float] {
    var values: [Float] = []
    values.reserveCapacity(halves.count)
    for (row, exponent) in exponents.enumerated() {
      let factor = Self.power(Int(exponent))
      for half in halves[row * columns..<(row + 1) * columns] {
        values.append(cvar_f32_from_f16(half) * factor)
      }
    }
    return values
  }

  /// Whether no value is infinite or no number.
  var isFinite: Bool { halves.allSatisfy { $0 & 0x7C00 != 0x7C00 } }
}
