from tests.factories import *
def test_smoke(storage, tenant, engine):
    with storage.begin(tenant.id) as u:
        u.installations.add(an_installation())
        u.installations.add(an_installation(BANK))
        u.orders.save(an_order()); u.requests.save(a_request()); u.plans.add(a_plan(), a_request().id)
        assert u.plans.get("plan-1").plan == a_plan()
        u.audit.write(NOW,"a","b","c",{"x":"1"})
        u.commit()
    with storage.read(tenant.id) as u:
        assert u.audit.verify()==(1,None)
