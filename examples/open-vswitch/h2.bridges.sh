# The article's experiment on h2, first half: the NIC goes into br0, and the host's address with it; br1 is the tenant's.
ovs-vsctl add-br br0
ovs-vsctl add-br br1
ovs-vsctl add-port br0 eth0
ifconfig eth0 0
ifconfig br0 192.168.146.136/24 up
route add default gw 192.168.146.2 br0
ifconfig br1 10.0.1.1/24 up
