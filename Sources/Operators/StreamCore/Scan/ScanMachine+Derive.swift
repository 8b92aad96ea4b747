internal import MarketModel
internal import Primitives

// How a number is computed of the bars of several symbols and of values of providers.
//
// A window has such a number when one of the symbols has a bar in it. An input without a value
// leaves it undefined. A bar or indicator whose window is settled may still be the last one before
// windows that are not.
extension ScanMachine {
    /// Takes a provider's value, an input of the rule's derivation. `symbol` is the number that
    /// `symbol` returned, and `time` when the value was received.
    public mutating func take(_ value: Int128, at time: Int64, input: Int, symbol: UInt32) {
        guard places.indices.contains(input), places[input].contains(symbol) else { return }
        let instant = Timestamp(nanoseconds: time)
        let width = series.widthNanoseconds
        guard instant.isUsable, width > 0 else {
            counters.unknownSymbol += 1
            return
        }
        let key = SampleKey(input: UInt32(input), symbol: symbol)
        let sample = ScanSample(time: time, value: value)
        let openTime = instant.floored(toNanoseconds: width).nanoseconds
        guard openTime + width > settledThrough else {
            counters.late += 1
            if carry(sample, as: key) { markDue(from: 0) }
            return
        }
        let hasRoom = windows.count < Derivation.windowsMax
        guard let index = window(at: openTime, width, adds: hasRoom) else {
            counters.unknownSymbol += 1
            return
        }
        if let known = windows[index].given[key], known.time > time || known == sample { return }
        windows[index].given[key] = sample
        markDue(from: index)
    }

    /// Whether bars of the symbol count. Those of a symbol of which only an indicator is used do
    /// not.
    func takes(barsOf symbol: UInt32) -> Bool {
        guard let derivation = rule.derivation else { return true }
        return derivation.inputs.indices.contains {
            if case .bar = derivation.inputs[$0] { places[$0].contains(symbol) } else { false }
        }
    }

    /// The sources of symbols whose bars count. What only gives values does not decide that real
    /// bars are there, so that made-up ones would not count.
    var sourcesOfBars: Set<SourceName> {
        guard rule.derivation != nil else { return known.sources }
        return Set(
            known.names.indices.filter { takes(barsOf: UInt32($0)) }.map { known.names[$0].source })
    }

    /// Makes a window due and, where a number may depend on earlier windows, all later ones.
    mutating func markDue(from index: Int) {
        let end = rule.derivation == nil ? index + 1 : windows.count
        for place in index..<end { windows[place].isDue = true }
    }

    /// Publishes the number of a window if it differs from the published one.
    mutating func derive(_ index: Int, _ values: inout [ScanValue]) {
        let number = derived(index)
        guard number != windows[index].derived else { return }
        windows[index].derived = number
        add(0, of: nil, number, index, &values)
    }

    private func derived(_ index: Int) -> Int128 {
        guard let derivation = rule.derivation else { return IndicatorValue.undefined }
        return condition.number { place in
            var last: (sample: ScanSample, name: SourceSymbol)?
            for symbol in places[place] {
                let name = known.names[Int(symbol)]
                let key = SampleKey(input: UInt32(place), symbol: symbol)
                guard
                    let sample = lastSample(
                        derivation, key, index, before: choice.end(of: name.source))
                else { continue }
                if let last, last.sample.time >= sample.time,
                    last.sample.time > sample.time || last.name < name
                {
                    continue
                }
                last = (sample, name)
            }
            return last?.sample.value ?? IndicatorValue.undefined
        }
    }

    /// Returns the sample of one source that counts in a window; `nil` when there is none. Behind
    /// `end` the source does not count.
    private func lastSample(
        _ derivation: Derivation, _ key: SampleKey, _ index: Int, before end: Int64
    ) -> ScanSample? {
        switch derivation.inputs[Int(key.input)] {
        case .bar(_, let field):
            let window = windows[index]
            if let numbers = window.met[key.symbol], window.closeTime <= end {
                return ScanSample(time: window.closeTime - 1, value: numbers.number(field))
            }
            guard field == .close else { return nil }
            let closes = SampleKey(input: SampleKey.closes, symbol: key.symbol)
            let oldest = window.closeTime - derivation.maxAge
            let close = last(closes, windows[..<index], before: end)
            return close.flatMap { $0.time + 1 >= oldest ? $0 : nil }
        case .indicator: return last(key, windows[...index], before: end)
        }
    }

    /// Returns the last sample of these windows, or the one before them.
    private func last(
        _ key: SampleKey, _ windows: ArraySlice<ScanWindow>, before end: Int64
    ) -> ScanSample? {
        for window in windows.reversed() {
            if let sample = window.sample(key), sample.time < end { return sample }
        }
        return carried[key].flatMap { $0.time < end ? $0 : nil }
    }

    // MARK: settled windows

    /// Keeps what later windows may need of one that is settled.
    mutating func carry(_ window: ScanWindow) {
        for symbol in window.met.keys {
            let key = SampleKey(input: SampleKey.closes, symbol: symbol)
            if let sample = window.sample(key) { _ = carry(sample, as: key) }
        }
        for (key, sample) in window.given { _ = carry(sample, as: key) }
    }

    /// Keeps the close of a bar whose window is settled.
    mutating func carry(_ bar: Bar) {
        let sample = ScanSample(
            time: bar.closeTime.nanoseconds - 1, value: ScanNumbers(bar).number(.close))
        if carry(sample, as: SampleKey(input: SampleKey.closes, symbol: bar.symbol)) {
            markDue(from: 0)
        }
    }

    /// Keeps a sample unless a later one is known. Returns whether that changed anything.
    private mutating func carry(_ sample: ScanSample, as key: SampleKey) -> Bool {
        if let known = carried[key], known.time > sample.time || known == sample { return false }
        carried[key] = sample
        return true
    }
}

extension ScanWindow {
    /// Returns the sample of an indicator in the window, or the close of its bar.
    fileprivate func sample(_ key: SampleKey) -> ScanSample? {
        guard key.input == SampleKey.closes else { return given[key] }
        return met[key.symbol].map { ScanSample(time: closeTime - 1, value: $0.number(.close)) }
    }
}
