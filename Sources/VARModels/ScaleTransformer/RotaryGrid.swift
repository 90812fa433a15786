/// Where the tokens of a scale stand on the grid that normalises rotary positions (MODEL 9.5).
package enum RotaryGrid {
  /// `index * reference / size`, rounded half to even, in exact arithmetic.
  package static func position(_ index: Int, of size: Int, reference: Int) -> Int {
    let (quotient, remainder) = (index * reference).quotientAndRemainder(dividingBy: size)
    let twice = 2 * remainder
    if twice < size || (twice == size && quotient.isMultiple(of: 2)) { return quotient }
    return quotient + 1
  }
}
