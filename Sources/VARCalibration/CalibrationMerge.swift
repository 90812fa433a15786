import VARConversion
import VARLite
import VARQuantization
import VARSystem

/// Adds calibrations of one model, each tokens of its own, to one.
///
/// Means of both are weighed by their sums of weights. The result equals that of one run over all tokens but for the
/// rounding of each mean to f32, some 1e-7 of it.
package struct CalibrationMerge {
  private let files: [CalibrationFile]
  private let layout: CalibrationLayout

  /// - Throws: `VARLiteError` for files of different models or blocks, and for those that are for one recipe.
  package init(_ files: [CalibrationFile]) throws(VARLiteError) {
    let first = files[0]
    for file in files {
      guard let recipe = file.recipe else { continue }
      // Each has rounded blocks of its own behind it.
      throw VARLiteError(
        .model,
        "\(file.path): is for recipe \(recipe.name), and such files do not add up; give one "
          + "calibration all cases")
    }
    for file in files.dropFirst() {
      guard file.modelHash == first.modelHash else {
        throw VARLiteError(
          .model, "\(file.path): is of another model than \(first.path); calibrate one model")
      }
      guard file.blockCols == first.blockCols else {
        throw VARLiteError(
          .model,
          "\(file.path): has blocks of \(file.blockCols) columns, \(first.path) of "
            + "\(first.blockCols); calibrate with blocks of one size")
      }
    }
    self.files = files
    var inputs: [CalibrationLayout.Input] = []
    for file in files {
      for input in file.inputs where !inputs.contains(where: { $0.name == input.name }) {
        inputs.append(
          .init(
            name: input.name, cols: input.cols, blockCols: min(file.blockCols, input.cols)))
      }
    }
    layout = CalibrationLayout(inputs, blockCols: first.blockCols, modelHash: first.modelHash)
  }

  package func write(to output: Calibration.Output) throws {
    let state = CalibrationState.path(of: output.path)
    guard FileStatus(state) == nil else {
      throw VARLiteError(
        .request,
        "\(output.path): a stopped calibration stands beside it (\(state)); name "
          + "another output")
    }
    let writer = try CalibrationWriter(output.path, layout)
    do {
      try writer.begin()
      for input in layout.inputs { try writer.put(input.name, try sum(input)) }
      try writer.publish()
    } catch {
      writer.discard()
      throw error
    }
  }

  private func sum(_ input: CalibrationLayout.Input) throws -> CalibratedInput {
    var sum = CalibratedInput(cols: input.cols, blockCols: input.blockCols)
    for file in files {
      guard let counted = file.inputs.first(where: { $0.name == input.name }),
        let moments = try file.storedMoments(of: input.name, cols: input.cols)
      else { continue }
      let (means, largest) = try file.columns(of: input.name)
      sum.add(counted, means, largest, moments.triangles)
    }
    return sum
  }
}

extension CalibratedInput {
  fileprivate init(cols: Int, blockCols: Int) {
    self.cols = cols
    self.blockCols = blockCols
    (tokenCount, weightSum, kurtosis) = (0, 0, 0)
    means = [Float](repeating: 0, count: cols)
    largest = means
    triangles = [Float](
      repeating: 0, count: SecondMoments.valueCount(cols: cols, blockCols: blockCols))
  }

  fileprivate mutating func add(
    _ other: CalibrationFile.Input, _ means: [Float], _ largest: [Float], _ triangles: [Float]
  ) {
    let all = weightSum + other.weightSum
    let (old, new) = all > 0 ? (weightSum / all, other.weightSum / all) : (0, 0)
    func mix(_ a: [Float], _ b: [Float]) -> [Float] {
      zip(a, b).map { Float(old * Double($0) + new * Double($1)) }
    }
    // Fourth powers add up, not their ratio to the squares.
    let (ownSquare, otherSquare) = (
      meanSquare(self.triangles), meanSquare(triangles)
    )
    let fourth =
      old * kurtosis * ownSquare * ownSquare + new * other.kurtosis * otherSquare * otherSquare
    self.triangles = mix(self.triangles, triangles)
    let square = meanSquare(self.triangles)
    kurtosis = square > 0 ? fourth / (square * square) : 0
    self.means = mix(self.means, means)
    self.largest = zip(self.largest, largest).map { max($0, $1) }
    tokenCount += other.tokenCount
    weightSum = all
  }

  /// Mean of the diagonal.
  private func meanSquare(_ triangles: [Float]) -> Double {
    var (next, sum) = (0, 0.0)
    for block in SecondMoments.blockRanges(cols: cols, blockCols: blockCols) {
      for row in 0..<block.count {
        next += row + 1
        sum += Double(triangles[next - 1])
      }
    }
    return sum / Double(cols)
  }
}
