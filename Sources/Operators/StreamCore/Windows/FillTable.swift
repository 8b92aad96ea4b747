internal import MarketModel

/// The fill state of each key in the series with `fill`: the close that fills later windows, and up
/// to which window they are filled. It grows with the symbol table, and is empty when no series is
/// filled. A window is *filled* when it has no price and gets a bar with an earlier close.
struct FillTable: Sendable {
    struct State: Hashable, Sendable, BitwiseCopyable {
        /// The start of the window that `close` is from. When a repair withdrew this bar and no
        /// other bar is near enough, `filled` is set to the maximum, so that nothing is filled.
        var base: Int64
        var close: Int64
        /// The last window that has a bar, its own or a filled one.
        var last: WindowShape.Bounds
        /// The number of filled windows after `base`, up to and including `last`.
        var filled: Int
    }

    /// By series: the number of windows that are filled at most; 0 when none is.
    let maxima: [Int]
    let shapes: [WindowShape]
    /// By key (symbol × series count + series); `nil` before the key's first bar.
    private(set) var states: [State?] = []

    var isUsed: Bool { maxima.contains { $0 > 0 } }

    init(_ series: [BarSeries], shapes: [WindowShape]) {
        self.shapes = shapes
        maxima = series.map {
            if case .previousClose(let max) = $0.fill { return max }
            return 0
        }
    }

    mutating func addSymbol() {
        guard isUsed else { return }
        for _ in maxima { states.append(nil) }
    }

    /// Returns the state of a key; `nil` when the key has no bar so far, or nothing is filled.
    func state(_ key: Int) -> State? { states.isEmpty ? nil : states[key] }

    mutating func set(_ state: State, key: Int) { states[key] = state }

    /// Returns the next window of the key to fill; `nil` when there is no bar so far, or its
    /// maximum is reached. The caller fills the window when the watermark has passed its end and
    /// lateness.
    func next(_ key: Int) -> WindowShape.Bounds? {
        let series = key % maxima.count
        guard let state = state(key), state.filled < maxima[series] else { return nil }
        return shapes[series].next(after: state.last)
    }

    /// Notes that the window that `next` returned is filled. Returns the close that fills it.
    mutating func fill(_ bounds: WindowShape.Bounds, key: Int) -> Int64? {
        guard var state = state(key) else { return nil }
        state.last = bounds
        state.filled += 1
        states[key] = state
        return state.close
    }

    /// Notes the bar of a window that no tick can change any more: its close fills later windows.
    /// In a repair it may be an earlier window than the one whose close fills at present, which
    /// then changes nothing.
    mutating func note(_ window: WindowState, key: Int) {
        let series = key % maxima.count
        guard maxima[series] > 0, window.trades > 0 else { return }
        guard var state = state(key), window.start < state.last.end else {
            states[key] = State(
                base: window.start, close: window.close, last: window.bounds, filled: 0)
            return
        }
        guard window.start >= state.base else { return }
        if window.start > state.base {
            state.filled = 0
            var bounds = window.bounds
            while bounds.start < state.last.start, let next = shapes[series].next(after: bounds) {
                bounds = next
                state.filled += 1
            }
        }
        state.base = window.start
        state.close = window.close
        states[key] = state
    }
}
