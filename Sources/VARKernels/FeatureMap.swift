import CVARKernels

/// Element type of feature maps: a part of what a network computes, since f16 rounds.
package enum MapType: Sendable {
  case f32
  /// Half precision in units of 64: exact to 2^-11 from 0.004 up to 4.2 million, and to 2^-19 below; finite values
  /// beyond become the largest. The unit is a power of 2, so it changes nothing but the range.
  case f16

  /// Value of an element that holds 1.
  var unit: Float { self == .f32 ? 1 : 64 }

  package var byteCount: Int { self == .f32 ? 4 : 2 }
}

/// `height` x `width` pixels with `channels` values each.
package struct MapShape: Sendable {
  package let height, width, channels: Int

  package init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }
}

/// The values of a map, channels last. Its rows may lie apart.
package struct FeatureMap {
  package let base: UnsafeMutableRawPointer
  package let type: MapType
  package let shape: MapShape
  /// Bytes from one row to the next.
  package let rowByteCount: Int

  /// - Parameter rowByteCount: of rows that lie apart; without it they have no gaps.
  package init(
    _ base: UnsafeMutableRawPointer, type: MapType, shape: MapShape, rowByteCount: Int? = nil
  ) {
    self.base = base
    self.type = type
    self.shape = shape
    self.rowByteCount = rowByteCount ?? shape.width * shape.channels * type.byteCount
  }

  /// A map in f32 without gaps that is only read.
  package init(reading values: UnsafePointer<Float>, shape: MapShape) {
    self.init(UnsafeMutableRawPointer(mutating: values), type: .f32, shape: shape)
  }

  package var height: Int { shape.height }
  package var width: Int { shape.width }
  package var channels: Int { shape.channels }

  private func address(_ y: Int, _ x: Int) -> UnsafeMutableRawPointer {
    base + y * rowByteCount + x * channels * type.byteCount
  }

  /// The pixels of a row as `[pixels.count, channels]` in f32.
  func load(
    _ kernels: UnsafePointer<cvar_kernels>, y: Int, _ pixels: Range<Int>,
    into values: UnsafeMutablePointer<Float>
  ) {
    let source = address(y, pixels.lowerBound)
    let count = pixels.count * channels
    switch type {
    case .f32: values.update(from: source.assumingMemoryBound(to: Float.self), count: count)
    case .f16:
      kernels.pointee.from_f16(
        source.assumingMemoryBound(to: UInt16.self), type.unit, values, count)
    }
  }

  /// Writes `[pixels.count, channels]` to a row.
  func store(
    _ kernels: UnsafePointer<cvar_kernels>, y: Int, _ pixels: Range<Int>,
    from values: UnsafePointer<Float>
  ) {
    let target = address(y, pixels.lowerBound)
    let count = pixels.count * channels
    switch type {
    case .f32: target.assumingMemoryBound(to: Float.self).update(from: values, count: count)
    case .f16:
      kernels.pointee.to_f16(
        values, 1 / type.unit, target.assumingMemoryBound(to: UInt16.self), count)
    }
  }

  /// Copies the map to where it has no gaps; that place may overlap this one if none of its rows begins before the
  /// row it is copied from.
  package func moved(to target: UnsafeMutableRawPointer) -> FeatureMap {
    let moved = FeatureMap(target, type: type, shape: shape)
    for y in (0..<height).reversed() {
      moved.address(y, 0).copyMemory(from: address(y, 0), byteCount: moved.rowByteCount)
    }
    return moved
  }

  /// Fills `values` with a row in f32, `[width, channels]`.
  package func load(_ compute: Compute, y: Int, into values: UnsafeMutablePointer<Float>) {
    load(compute.kernels, y: y, 0..<width, into: values)
  }

  /// All values as `[height, width, channels]` in f32.
  package func values(_ compute: Compute) -> [Float] {
    var values = [Float](repeating: 0, count: height * width * channels)
    values.withUnsafeMutableBufferPointer { values in
      for y in 0..<height {
        load(
          compute.kernels, y: y, 0..<width, into: values.baseAddress! + y * width * channels)
      }
    }
    return values
  }
}
