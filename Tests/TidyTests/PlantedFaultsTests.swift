import Testing

/// Faults are planted at texts of the sources, which change.
@Suite struct PlantedFaultsTests {
    @Test("each planted fault fits its source: its place is there once")
    func fitting() throws {
        try Script.run("plant.py", in: "Tests/mutations", "--check")
    }
}
