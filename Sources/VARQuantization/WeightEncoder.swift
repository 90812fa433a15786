import CVARKernels

/// Encodes units of 16 rows; one encoder per thread, since it owns scratch.
package final class WeightEncoder {
  package let format: WeightFormat
  private let quantizers: cvar_weight_quantizers
  /// A unit in tiles, for tables, whose rows are taken out of it.
  private var tile: [UInt16]
  private var tileScales: [UInt16]
  private var tileSuperscales: [UInt16]
  private var row: [UInt16]
  private let rounder: CompensatedRounder?
  private let corrector: DriftCorrector?

  /// - Parameters:
  ///   - compensation: what weights in tiles are corrected and integers rounded with; nil rounds to the nearest.
  ///   - isa: the instruction set that quantizes; the result does not depend on it.
  package init(
    format: WeightFormat, compensation: Compensation? = nil, isa: cvar_isa = cvar_isa_best()
  ) {
    precondition(cvar_isa_is_supported(isa) != 0, "this machine has the instruction set")
    self.format = format
    let isCompensated = format.precision.isInteger && format.layout == .tiles
    rounder =
      isCompensated ? compensation.map { CompensatedRounder(format, $0, isa: isa) } : nil
    let correction = format.layout == .tiles ? compensation?.correction : nil
    corrector = correction.map { DriftCorrector($0, cols: format.cols, isa: isa) }
    quantizers = cvar_weight_quantizers_for(isa).pointee
    func words(_ byteCount: Int) -> [UInt16] {
      [UInt16](repeating: 0, count: (byteCount + 1) / 2)
    }
    let isScratch = format.layout == .table && format.precision != .f32
    let counts =
      isScratch
      ? format.tileByteCounts : StreamByteCounts(codes: 0, scales: 0, superscales: 0)
    tile = words(counts.codes)
    tileScales = words(counts.scales)
    tileSuperscales = words(counts.superscales)
    row = words(isScratch ? format.cols * 2 : 0)
  }

  /// Where a unit's streams go; each must hold `byteCounts` of the unit and is filled wholly.
  package struct Output {
    let codes: UnsafeMutableRawPointer
    let scales: UnsafeMutableRawPointer
    let superscales: UnsafeMutableRawPointer

    package init(
      codes: UnsafeMutableRawPointer, scales: UnsafeMutableRawPointer,
      superscales: UnsafeMutableRawPointer
    ) {
      self.codes = codes
      self.scales = scales
      self.superscales = superscales
    }
  }

  /// Encodes `rowCount` rows `x[rowCount][cols]`, 1...16.
  ///
  /// - Parameters:
  ///   - name: the weight, for errors.
  ///   - firstRow: index of the first row in the weight, for errors.
  /// - Returns: errors are those of rounding alone, what corrects for drift not included.
  /// - Throws: `notFinite`, of shifts of outputs too, or `tooLarge`.
  package func encode(
    _ x: UnsafePointer<Float>, rowCount: Int, into output: Output, name: String, firstRow: Int
  ) throws(QuantizationError) -> WeightError {
    precondition((1...WeightFormat.unitRowCount).contains(rowCount), "1...16 rows")
    let bad = cvar_first_not_finite(x, rowCount * format.cols)
    guard bad == rowCount * format.cols else {
      throw QuantizationError(
        .notFinite, name,
        "row \(firstRow + bad / format.cols), column \(bad % format.cols) is not a finite number; "
          + "the checkpoint is damaged, fetch it again")
    }
    let error = try correctAndRound(
      x, rowCount: rowCount, into: output, name: name, firstRow: firstRow)
    guard let bad = error.outputShifts.firstIndex(where: { !$0.isFinite }) else { return error }
    throw QuantizationError(
      .notFinite, name,
      "row \(firstRow + bad): the calibration's means give its bias what is no finite number; "
        + "calibrate again")
  }

  private func correctAndRound(
    _ x: UnsafePointer<Float>, rowCount: Int, into output: Output, name: String, firstRow: Int
  ) throws(QuantizationError) -> WeightError {
    guard let corrector else {
      return try round(x, rowCount: rowCount, into: output, name: name, firstRow: firstRow)
    }
    var result = Result<WeightError, QuantizationError>.success(WeightError())
    let shifts = corrector.correct(x, rowCount: rowCount) { target in
      result = Result { () throws(QuantizationError) in
        try round(target, rowCount: rowCount, into: output, name: name, firstRow: firstRow)
      }
    }
    var error = try result.get()
    error.outputShifts =
      error.outputShifts.isEmpty ? shifts : zip(error.outputShifts, shifts).map { $0 + $1 }
    return error
  }

  /// Encodes rows as they are.
  private func round(
    _ x: UnsafePointer<Float>, rowCount: Int, into output: Output, name: String, firstRow: Int
  ) throws(QuantizationError) -> WeightError {
    if format.precision == .f32 { return copy(x, rowCount, output) }
    var errors = [cvar_weight_error](
      repeating: cvar_weight_error(squared_error: 0, squared_sum: 0), count: rowCount)
    let doneCount =
      format.layout == .tiles
      ? quantize(x, rowCount, output, &errors)
      : quantizeTable(x, rowCount, output, &errors)
    guard doneCount == rowCount else {
      throw QuantizationError(
        .tooLarge, name,
        "row \(firstRow + doneCount) holds a value beyond the range of "
          + "\(format.precision.rawValue); give this weight f32 in the recipe"
          + (corrector == nil ? "" : " and calibrate again"))
    }
    let shifts = rounder?.round(
      x, UnitStreams(output, format: format, rowCount: rowCount), &errors)
    return errors.reduce(into: WeightError(outputShifts: shifts ?? [])) {
      $0 += WeightError(squaredError: $1.squared_error, squaredSum: $1.squared_sum)
    }
  }

  /// Fills a tile; gives the number of rows before the first that is out of range.
  private func quantize(
    _ x: UnsafePointer<Float>, _ rowCount: Int, _ output: Output,
    _ errors: inout [cvar_weight_error]
  ) -> Int {
    let (rows, cols, group) = (Int32(rowCount), Int32(format.cols), Int32(format.groupSize))
    let (codes, scales) = (output.codes, output.scales)
    let halves = codes.assumingMemoryBound(to: UInt16.self)
    switch format.precision {
    case .int4:
      return Int(
        quantizers.quantize_int4(
          x, format.cols, rows, cols, group, format.codebook,
          codes.assumingMemoryBound(to: UInt8.self), scales.assumingMemoryBound(to: Int8.self),
          output.superscales.assumingMemoryBound(to: UInt16.self), &errors))
    case .int8:
      return Int(
        quantizers.quantize_int8(
          x, format.cols, rows, cols, group, codes.assumingMemoryBound(to: Int8.self),
          scales.assumingMemoryBound(to: UInt16.self), &errors))
    case .f16: return Int(quantizers.round_f16(x, format.cols, rows, cols, halves, &errors))
    case .bf16: return Int(quantizers.round_bf16(x, format.cols, rows, cols, halves, &errors))
    case .f32: preconditionFailure("f32 is copied")
    }
  }

  private func quantizeTable(
    _ x: UnsafePointer<Float>, _ rowCount: Int, _ output: Output,
    _ errors: inout [cvar_weight_error]
  ) -> Int {
    tile.withUnsafeMutableBytes { tile in
      tileScales.withUnsafeMutableBytes { scales in
        tileSuperscales.withUnsafeMutableBytes { superscales in
          // Streams that a type lacks are not touched.
          let codes = tile.baseAddress!
          let place = Output(
            codes: codes, scales: scales.baseAddress ?? codes,
            superscales: superscales.baseAddress ?? codes)
          let doneCount = quantize(x, rowCount, place, &errors)
          for row in 0..<doneCount { takeCodes(codes, row, output.codes) }
          takeScales(scales, doneCount, format.groupCount, output.scales)
          takeScales(superscales, doneCount, format.superblockCount, output.superscales)
          return doneCount
        }
      }
    }
  }

  /// Moves a row from the tile to its place in a table.
  private func takeCodes(
    _ tile: UnsafeMutableRawPointer, _ index: Int, _ table: UnsafeMutableRawPointer
  ) {
    let cols = Int32(format.cols)
    let (from, place) = (Int32(index), index * format.cols)
    switch format.precision {
    case .int4:
      row.withUnsafeMutableBytes {
        let indices = $0.assumingMemoryBound(to: UInt8.self).baseAddress!
        cvar_untile_row_int4(tile.assumingMemoryBound(to: UInt8.self), cols, from, indices)
        cvar_pack_row_int4(
          indices, cols, table.assumingMemoryBound(to: UInt8.self) + place / 2)
      }
    case .int8:
      cvar_untile_row_1(
        tile.assumingMemoryBound(to: Int8.self), cols, from,
        table.assumingMemoryBound(to: Int8.self) + place)
    default:
      cvar_untile_row_2(
        tile.assumingMemoryBound(to: UInt16.self), cols, from,
        table.assumingMemoryBound(to: UInt16.self) + place)
    }
  }

  /// `[count][16]` in the tile becomes `[row][count]` in the table.
  private func takeScales(
    _ tile: UnsafeMutableRawBufferPointer, _ rowCount: Int, _ count: Int,
    _ table: UnsafeMutableRawPointer
  ) {
    let unit = WeightFormat.unitRowCount
    let isByte = tile.count < count * unit * 2
    for row in 0..<rowCount {
      for index in 0..<count {
        let (from, to) = (index * unit + row, row * count + index)
        if isByte {
          table.storeBytes(of: tile[from], toByteOffset: to, as: UInt8.self)
        } else {
          let half = tile.load(fromByteOffset: from * 2, as: UInt16.self)
          table.storeBytes(of: half, toByteOffset: to * 2, as: UInt16.self)
        }
      }
    }
  }

  private func copy(
    _ x: UnsafePointer<Float>, _ rowCount: Int, _ output: Output
  ) -> WeightError {
    let floats = output.codes.assumingMemoryBound(to: Float.self)
    var error = WeightError()
    if format.layout == .table {
      floats.update(from: x, count: rowCount * format.cols)
    } else {
      floats.update(repeating: 0, count: WeightFormat.unitRowCount * format.cols)
      for row in 0..<rowCount {
        cvar_tile_row_4(x + row * format.cols, Int32(format.cols), Int32(row), floats)
      }
    }
    for index in 0..<rowCount * format.cols {
      error.squaredSum += Double(x[index]) * Double(x[index])
    }
    return error
  }
}
