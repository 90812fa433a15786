import VARModels

/// How large a picture is asked for.
public enum DrawingSize: Sendable, Equatable {
  /// The model's own size.
  case modelDefault
  /// Longer side of the square picture in pixels; picks the budget.
  case pixels(Int)
  /// An official budget.
  case budget(PixelBudget)
}

/// The shape of a picture.
public enum DrawingAspect: Sendable, Equatable {
  /// The model's own shape.
  case modelDefault
  /// The nearest official shape.
  case ratio(width: Double, height: Double)
  /// The nearest shape that the model knows, which may be its own: the official ones that it was trained on, or all
  /// of them where its file does not say.
  case nearest(width: Double, height: Double)
}
