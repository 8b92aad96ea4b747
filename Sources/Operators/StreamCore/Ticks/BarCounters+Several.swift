extension BarCounters {
    /// Puts the series of another machine behind those that are here: for a report over several.
    public mutating func append(seriesOf other: BarCounters) {
        series.append(contentsOf: other.series)
    }
}
