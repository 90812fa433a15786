import VARKernels

extension ModelWeights {
  /// A table of vectors as rows that are only read. Valid while the tensor's group is acquired.
  func rows(_ reference: VectorReference, count: Int, columns: Int) -> Rows {
    Rows(reading: values(reference), count: count, columns: columns)
  }
}
