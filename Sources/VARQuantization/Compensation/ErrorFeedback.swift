/// How errors of rounded weights are made good by those that are rounded after them, for one block of inputs.
///
/// Rounding the weights `w` of an output to `q` changes it by `eᵀ x`, with `e = w - q`. Over all tokens this costs
/// `eᵀ H e`, where `H` holds the second moments of the inputs. With the inputs in the order in which they are rounded,
/// `H = Fᵀ D F` for a unit lower triangle `F` and a diagonal `D`, so that
///
///     eᵀ H e = sum over p of D[p] * (e[p] + sum over r < p of F[p][r] * e[r])²
///
/// The errors that are made already are known when `p` is rounded: rounding `w[p] + sum of F[p][r] * e[r]` to the
/// nearest level makes its term as small as this level can. That is error-compensated rounding (GPTQ, Frantar et al.,
/// arXiv 2210.17323) as a walk along nearest planes (Babai 1986; Chen et al., arXiv 2507.18553), which needs no inverse
/// of `H`.
///
/// Inputs are rounded by falling diagonal of `H`, ties by column: those that weigh most have the most others after them
/// to make their errors good.
struct ErrorFeedback: Sendable {
  /// The columns of the block, as columns of the weight.
  let columns: Range<Int>
  /// `H`, damped, `[count][count]`, in the order of the columns.
  private let moments: [Float]
  /// Columns within the block in the order in which they are rounded.
  let order: [Int]
  /// `F` in the order of rounding, `[count][count]`; what is above the diagonal means nothing.
  private let factor: [Float]

  var count: Int { order.count }

  func withMoments(_ body: (SquareMatrix) -> Void) {
    moments.withUnsafeBufferPointer { body(SquareMatrix($0, size: count)) }
  }

  func withFactor(_ body: (SquareMatrix) -> Void) {
    factor.withUnsafeBufferPointer { body(SquareMatrix($0, size: count)) }
  }

  /// Share of the mean diagonal that is added to the diagonal. It stands for what the tokens do not tell.
  static let damping = 0.01

  /// - Parameters:
  ///   - triangle: the lower triangle of `H`, row by row.
  ///   - parted: does parts of the work.
  init(columns: Range<Int>, triangle: ArraySlice<Float>, _ parted: PartedWork) {
    let count = columns.count
    precondition(triangle.count == count * (count + 1) / 2, "a triangle of the block's columns")
    self.columns = columns
    func moment(_ row: Int, _ column: Int) -> Double {
      let (high, low) = (max(row, column), min(row, column))
      return Double(triangle[triangle.startIndex + high * (high + 1) / 2 + low])
    }
    let diagonal = (0..<count).map { moment($0, $0) }
    let order = (0..<count).sorted {
      diagonal[$0] == diagonal[$1] ? $0 < $1 : diagonal[$0] > diagonal[$1]
    }
    self.order = order
    let mean = diagonal.reduce(0, +) / Double(count)
    // Inputs that are always zero: rounding is to the nearest, whatever is added.
    let added = mean > 0 ? mean * Self.damping : 1
    var moments = [Float](repeating: 0, count: count * count)
    var square = [Double](repeating: 0, count: count * count)
    for row in 0..<count {
      for column in 0...row {
        let damping = row == column ? added : 0
        let value = Float(moment(row, column) + damping)
        moments[row * count + column] = value
        moments[column * count + row] = value
        square[row * count + column] = moment(order[row], order[column]) + damping
      }
    }
    self.moments = moments
    factor = SymmetricFactor(consume square, count: count, least: added / 2, parted).values
      .map { Float($0) }
  }
}
