import CVARKernels

/// The codes and scales of a unit of 16 rows in tiles, as levels and scales of lanes.
struct UnitStreams {
  let format: WeightFormat
  let rowCount: Int
  private let codes: UnsafeMutablePointer<UInt8>
  private let scales: UnsafeMutableRawPointer
  private let superscales: UnsafeMutablePointer<UInt16>

  init(_ output: WeightEncoder.Output, format: WeightFormat, rowCount: Int) {
    precondition(format.precision.isInteger && format.layout == .tiles, "a tile of codes")
    self.format = format
    self.rowCount = rowCount
    codes = output.codes.assumingMemoryBound(to: UInt8.self)
    scales = output.scales
    superscales = output.superscales.assumingMemoryBound(to: UInt16.self)
  }

  private var lanes: Int { WeightFormat.unitRowCount }

  /// The levels that the codes of a column stand for.
  func levels(_ column: Int) -> Lanes {
    var levels = Lanes.zero
    let place = codePlace(column)
    for row in 0..<rowCount {
      let byte = codes[place + 4 * row]
      levels[row] =
        switch format.precision {
        case .int4: Float(format.codebook[Int(isHigh(column) ? byte >> 4 : byte & 15)])
        default: Float(Int8(bitPattern: byte))
        }
    }
    return levels
  }

  /// - Parameter indices: of levels in the codebook, by level plus 128; int8 needs none.
  func set(_ levels: Lanes, _ column: Int, indices: [UInt8]) {
    let place = codePlace(column)
    for row in 0..<rowCount {
      let level = Int8(levels[row])
      let byte = codes + place + 4 * row
      switch format.precision {
      case .int4:
        let index = indices[Int(level) + 128]
        byte.pointee =
          isHigh(column) ? byte.pointee & 15 | index << 4 : byte.pointee & 0xf0 | index
      default: byte.pointee = UInt8(bitPattern: level)
      }
    }
  }

  private func codePlace(_ column: Int) -> Int {
    format.precision == .int4
      ? column / 8 * 64 + column % 4 : column / 4 * 64 + column % 4
  }

  private func isHigh(_ column: Int) -> Bool { column % 8 >= 4 }

  /// What the levels of a group are multiplied with.
  func scale(_ group: Int) -> Lanes {
    var lanes = Lanes.zero
    for row in 0..<rowCount {
      lanes[row] =
        switch format.precision {
        case .int4: Float(int4Scales[group * self.lanes + row]) * unit(group, row)
        default: value(ofHalf: halfScales[group * self.lanes + row])
        }
    }
    return lanes
  }

  /// The scales nearest to wanted ones that can be stored; the present ones where that would be zero or too large, or
  /// negative in int8.
  func storable(_ wanted: Lanes, _ group: Int) -> Lanes {
    var lanes = scale(group)
    for row in 0..<rowCount {
      switch format.precision {
      case .int4:
        let unit = unit(group, row)
        let steps = unit == 0 ? 0 : (wanted[row] / unit).rounded(.toNearestOrEven)
        if steps != 0, abs(steps) <= 127 { lanes[row] = steps * unit }
      default:
        let value = value(ofHalf: half(wanted[row]))
        if value > 0, value.isFinite { lanes[row] = value }
      }
    }
    return lanes
  }

  /// - Parameter scale: one that `storable` gave.
  func set(scale: Lanes, _ group: Int) {
    for row in 0..<rowCount {
      switch format.precision {
      case .int4:
        let unit = unit(group, row)
        int4Scales[group * lanes + row] =
          unit == 0 ? 0 : Int8((scale[row] / unit).rounded(.toNearestOrEven))
      default: halfScales[group * lanes + row] = half(scale[row])
      }
    }
  }

  private var int4Scales: UnsafeMutablePointer<Int8> { scales.assumingMemoryBound(to: Int8.self) }
  private var halfScales: UnsafeMutablePointer<UInt16> {
    scales.assumingMemoryBound(to: UInt16.self)
  }

  /// What the int4 scales of a row count in.
  private func unit(_ group: Int, _ row: Int) -> Float {
    let block = group * format.groupSize / WeightFormat.superblockCols
    return cvar_f32_from_f16(superscales[block * lanes + row]) * 0x1p-16
  }

  private func value(ofHalf half: UInt16) -> Float { cvar_f32_from_f16(half) * 0x1p-12 }
  private func half(_ scale: Float) -> UInt16 { cvar_f16_from_f32(scale * 0x1p12) }
}
