extension BarCounters {
    /// Appends the series of another machine, for a report over several machines.
    public mutating func append(seriesOf other: BarCounters) {
        series.append(contentsOf: other.series)
    }
}
