package consensus

// DiskTrouble is why proposals are refused for want of space, in words; nil
// while there is room.
func (c *Consensus) DiskTrouble() error {
	if c.disk == nil {
		return nil
	}
	return c.disk.full()
}
